// For tests of projects in this repository: `import .. from "millstream"` is this package, without an installation.
import { register } from "node:module";

const sdk = new URL("../", import.meta.url).href;
const hook = `export const resolve = (specifier, context, next) =>
  /^millstream(\\/|$)/.test(specifier) ? next(specifier, { ...context, parentURL: "${sdk}index.js" }) : next(specifier, context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
