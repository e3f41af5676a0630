// Node knows neither the import map of deno.json nor the paths of tsconfig.json: the one name in
// them is resolved here.
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, next) {
    return next(
      specifier === "@std/bytes" ? "deno-std/bytes/mod.js" : specifier,
      context,
    );
  },
});
