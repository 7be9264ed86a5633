/** Walks syntax trees as acorn makes them. */

/** Calls `visit(node, parent, key)` for a node and all that is in it, the outer ones first. */
export function walk(node, visit, parent = undefined, key = undefined) {
  visit(node, parent, key);
  for (const name in node) {
    const child = node[name];
    if (Array.isArray(child)) {
      for (const one of child) if (typeof one?.type === "string") walk(one, visit, node, name);
    } else if (typeof child?.type === "string") {
      walk(child, visit, node, name);
    }
  }
}

/** The names that a pattern binds or assigns. */
export function namesIn(pattern, names = []) {
  switch (pattern?.type) {
    case "Identifier":
      names.push(pattern.name);
      break;
    case "ObjectPattern":
      pattern.properties.forEach((property) => namesIn(property.value ?? property.argument, names));
      break;
    case "ArrayPattern":
      pattern.elements.forEach((element) => namesIn(element, names));
      break;
    case "AssignmentPattern":
      namesIn(pattern.left, names);
      break;
    case "RestElement":
      namesIn(pattern.argument, names);
      break;
  }
  return names;
}

/** The names that a declaration declares. */
export function declaredBy(declaration) {
  return declaration.type === "VariableDeclaration"
    ? declaration.declarations.flatMap(({ id }) => namesIn(id))
    : namesIn(declaration.id);
}

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

/** The first `await` that is in no function, if there is one. */
export function topLevelAwait(node) {
  if (FUNCTIONS.has(node.type)) return undefined;
  if (node.type === "AwaitExpression" || (node.type === "ForOfStatement" && node.await)) return node;
  for (const child of Object.values(node).flat()) {
    const found = typeof child?.type === "string" ? topLevelAwait(child) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Every name that is declared anywhere in a program but by imports. */
export function declaredAnywhere(program) {
  const names = new Set();
  const add = (found) => found.forEach((name) => names.add(name));
  walk(program, (node) => {
    if (node.type === "VariableDeclaration" || /^(Function|Class)(Declaration|Expression)$/.test(node.type)) {
      if (node.type === "VariableDeclaration" || node.id) add(declaredBy(node));
    }
    if (FUNCTIONS.has(node.type)) node.params.forEach((param) => add(namesIn(param)));
    if (node.type === "CatchClause") add(namesIn(node.param));
  });
  return names;
}

/** Whether an identifier stands for a variable, and not for a member, a label or the like. */
export function isReference(parent, key) {
  switch (parent?.type) {
    case "MemberExpression":
      return key === "object" || parent.computed;
    case "Property":
    case "PropertyDefinition":
    case "MethodDefinition":
      return key === "value" || parent.computed;
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
    case "MetaProperty":
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
    case "ImportAttribute":
      return false;
    case "ExportSpecifier":
      return key === "local";
    default:
      return true;
  }
}
