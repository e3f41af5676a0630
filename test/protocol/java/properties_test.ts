import { JAVA_PROPERTIES } from "../../support/java_properties.ts";
import { testProperties } from "../../support/properties.ts";

testProperties(JAVA_PROPERTIES);
