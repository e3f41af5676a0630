import { AJP_PROPERTIES } from "../../support/ajp_properties.ts";
import { testProperties } from "../../support/properties.ts";

testProperties(AJP_PROPERTIES);
