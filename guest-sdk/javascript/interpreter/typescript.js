/** Takes the types out of TypeScript, line for line. */

import { transform } from "sucrase";

import { at } from "./errors.js";

/** Whether a file is TypeScript, by its name. */
export function isTypeScript(path) {
  return /\.[mc]?ts$/.test(path);
}

/** The same program in JavaScript. Enums become objects; types are not checked. */
export function withoutTypes(path, source) {
  try {
    const { code } = transform(source, { transforms: ["typescript"], disableESTransforms: true, filePath: path });
    refuseNamespaces(path, source);
    return code;
  } catch (error) {
    if (error?.loc === undefined) throw error;
    const reason = error.message.replace(/^Error transforming [^:]*: /, "").replace(/ \(\d+:\d+\)$/, "");
    throw at(path, source, error.loc.line, error.loc.column, reason);
  }
}

/** Namespaces that hold values would go without a word. */
function refuseNamespaces(path, source) {
  source.split("\n").forEach((line, index) => {
    const match = /^(\s*(?:export\s+)?)(namespace|module)\s+[A-Za-z_$][\w$.]*\s*\{/.exec(line);
    if (match !== null) {
      throw at(path, source, index + 1, match[1].length, `a \`${match[2]}\` of TypeScript is not supported; use a file of its own`);
    }
  });
}
