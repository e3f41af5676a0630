import { testProperties } from "../../support/properties.ts";
import { REPLICATION_PROPERTIES } from "../../support/replication_properties.ts";

testProperties(REPLICATION_PROPERTIES);
