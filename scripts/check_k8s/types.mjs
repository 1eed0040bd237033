// Custom resources against the types and validators of their npm package.
//
//   node types.mjs FOLDER < documents.json     FOLDER has a node_modules; prints a list of complaints for each document
//
// The validators let unknown fields pass. The compiler does not: each document becomes a literal of its type.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const PACKAGES = {
  "external-secrets.io": "@kubernetes-models/external-secrets",
  "keda.sh": "@kubernetes-models/keda",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};

const folder = path.resolve(process.argv[2]);
const require = createRequire(path.join(folder, "package.json"));
const ts = require("typescript");
const documents = JSON.parse(readFileSync(0, "utf8"));
const complaints = documents.map(() => []);

const moduleOf = ({ apiVersion, kind }) => `${PACKAGES[apiVersion.split("/")[0]]}/${apiVersion}/${kind}`;

// One line for each document, so that a complaint's line says which it is about.
const literal = (document, i) =>
  `export const d${i}: import("${moduleOf(document)}").I${document.kind} = ${JSON.stringify(document)};`;

function compile() {
  const place = mkdtempSync(path.join(folder, "documents-"));
  try {
    const file = path.join(place, "documents.ts");
    writeFileSync(file, documents.map(literal).join("\n"));
    const program = ts.createProgram([file], {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      types: [],
    });
    for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
      const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, " ");
      if (diagnostic.file?.fileName !== file) throw new Error(text);
      complaints[diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start).line].push(text);
    }
  } finally {
    rmSync(place, { recursive: true });
  }
}

async function validate() {
  for (const [i, document] of documents.entries()) {
    const [group] = document.apiVersion.split("/");
    const file = path.join(folder, "node_modules", PACKAGES[group], document.apiVersion, `${document.kind}.js`);
    const types = await import(pathToFileURL(file).href);
    try {
      new types[document.kind](document).validate();
    } catch (error) {
      complaints[i].push(error.message);
    }
  }
}

compile();
await validate();
process.stdout.write(JSON.stringify(complaints));
