// A request as Python with Triton's client, for what the Open Inference Protocol can ask.

import { broken, file, head, isFile, jsonOf } from "./payload.js";
import { literal, string } from "./python.js";

const TYPES = { BOOL: "bool_", FP16: "float16", FP32: "float32", FP64: "float64", BYTES: "object_" };
const REPOSITORY = { load: "load_model", unload: "unload_model" };

/** Gives {text}, or {why} there is none. `describe` gives what `GET /models/{model}` says. */
export async function triton(request, { hasToken, describe }) {
  const found = routes(request, describe);
  if (!found) return { why: "Triton's client speaks the Open Inference Protocol, which cannot ask this. The other three can." };
  const { why, calls, needsNumpy } = await found;
  if (why) return { why };
  const { made, token } = client(request, hasToken);
  const imports = [...(needsNumpy ? ["import numpy as np"] : []), "import tritonclient.http as triton"];
  return { text: [...imports, "", made, ...token, ...calls(token.length ? ", headers=headers" : "")].join("\n") };
}

function client(request, hasToken) {
  const { url, headers } = head(request, hasToken);
  const { host, protocol, pathname } = new URL(url);
  const base = pathname.slice(0, pathname.length - new URL(request.path, "http://any").pathname.length);
  const { Authorization } = headers;
  return {
    made: `client = triton.InferenceServerClient(${string(host + base)}${protocol === "https:" ? ", ssl=True" : ""})`,
    token: Authorization ? [`headers = ${literal(JSON.stringify({ Authorization }))}`] : [],
  };
}

function routes(request, describe) {
  const { pathname, searchParams } = new URL(request.path, "http://any");
  const [first, second, third, fourth, fifth] = pathname.split("/").slice(1).map(decodeURIComponent);
  const asked = `${request.method} /${first}`;
  if (asked === "GET /models" && !third) return second ? printed("get_model_metadata", second) : printed("get_model_repository_index");
  if (asked === "POST /v2" && second === "repository") return third === "index" ? printed("get_model_repository_index") : printed(REPOSITORY[fifth], fourth);
  if (asked === "POST /predict" && second) return predict(request, second, searchParams, describe);
  if (asked === "POST /activate") return activate(request, second, third, searchParams);
  if (asked === "GET /activations" && third === "curve") return curve(second, searchParams);
  return null;
}

function printed(method, model) {
  return { calls: (headers) => [`print(client.${method}(${[...(model ? [string(model)] : []), headers.slice(2)].filter(Boolean).join(", ")}))`] };
}

async function predict(request, name, query, describe) {
  if (request.kind === "picture") return { why: "Triton's client sends tensors, and a picture becomes one in the service only for /predict." };
  const model = await describe(name);
  if (isFile(request) && request.kind !== "npy") return { why: "What is in this file is too long to be pasted as code. The other three read it by its name." };
  const unfit = model.inputs.find(({ datatype }) => !typeOf(datatype));
  if (unfit) return { why: `NumPy has no ${unfit.datatype}, the type of ${unfit.name}.` };
  const columns = isFile(request) ? fromFile(request, model) : fromJson(request, model);
  if (!columns) return { why: "What is in the request does not fit the model's inputs." };
  const version = query.has("version") ? `, model_version=${string(query.get("version"))}` : "";
  return { needsNumpy: true, calls: (headers) => [...inputs(columns), ...infer(name, columns, version + headers), ...ALL] };
}

const ALL = ['for output in result.get_response()["outputs"]:', '    print(output["name"], result.as_numpy(output["name"]))'];

function fromFile(request, model) {
  if (model.inputs.length !== 1) return null;
  const { name, base64 } = file(request);
  const read = base64 === null ? `np.load(${string(name)})  # your file` : `np.load(io.BytesIO(base64.b64decode("""\n${base64}\n""")))`;
  const imports = base64 === null ? [] : ["import base64", "import io", ""];
  return [{ ...model.inputs[0], before: imports, value: read }];
}

/** One tensor for each input, out of rows (`instances`) or columns (`inputs`). */
function fromJson(request, model) {
  const body = jsonOf(request);
  if (!body) return null;
  const only = model.inputs[0].name;
  const tensorOf = body.instances
    ? (name) => (isObject(body.instances[0]) ? body.instances.map((row) => row[name]) : name === only ? body.instances : undefined)
    : (name) => (isObject(body.inputs) ? body.inputs[name] : name === only ? body.inputs : undefined);
  const columns = model.inputs.map((input) => ({ ...input, value: array(tensorOf(input.name), input) }));
  return columns.some(({ value }) => value === null) ? null : columns;
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function array(tensor, { datatype, shape }) {
  if (tensor === undefined) return null;
  const isKnown = shape && shape.filter((size) => size < 0).length < 2;
  const shaped = isKnown ? `.reshape(${shape.join(", ")})` : "";
  return `np.array(${literal(broken(JSON.stringify(tensor)))}, np.${typeOf(datatype)})${shaped}`;
}

function typeOf(datatype) {
  return TYPES[datatype] ?? (/^U?INT\d+$/.test(datatype) ? datatype.toLowerCase() : null);
}

function inputs(columns) {
  return columns.flatMap(({ name, datatype, before = [], value }, index) => [
    ...before,
    `x${index} = ${value}`,
    `i${index} = triton.InferInput(${string(name)}, x${index}.shape, ${string(datatype)}).set_data_from_numpy(x${index})`,
  ]);
}

function infer(name, columns, more) {
  return [`result = client.infer(${string(name)}, [${columns.map((_, index) => `i${index}`).join(", ")}]${more})`];
}

function activate(request, name, verb, query) {
  const body = isFile(request) ? null : jsonOf(request);
  if (!body || "wrt" in body || query.has("wrt")) return { why: "Shown for tensors in JSON only." };
  const datatype = body.datatype ?? "FP32";
  if (!typeOf(datatype)) return { why: `NumPy has no ${datatype}.` };
  const columns = [{ name: "x", datatype, value: array(body.tensor, { datatype }) }];
  if (body.grad_output) columns.push({ name: "grad_output", datatype, value: array(body.grad_output, { datatype }) });
  return activation(name, columns, { ...fromQuery(query), ...body.parameters }, [verb === "gradient" ? "grad_x" : "y"]);
}

function curve(name, query) {
  const [from, to, points] = [query.get("from") ?? -6, query.get("to") ?? 6, query.get("points") ?? 241];
  const value = `np.linspace(${from}, ${to}, ${points}, dtype=np.float32)`;
  return activation(name, [{ name: "x", datatype: "FP32", value }], fromQuery(query), ["y", "grad_x"]);
}

function fromQuery(query) {
  const found = [...query].filter(([name]) => !["from", "to", "points", "datatype"].includes(name));
  return Object.fromEntries(found.map(([name, value]) => [name, value !== "" && Number.isFinite(Number(value)) ? Number(value) : value]));
}

function activation(name, columns, parameters, outputs) {
  const given = Object.keys(parameters).length ? `, parameters=${literal(JSON.stringify(parameters))}` : "";
  return {
    needsNumpy: true,
    calls: (headers) => [
      ...inputs(columns),
      ...infer(name, columns, given + headers),
      `print(${outputs.map((output) => `result.as_numpy(${string(output)})`).join(", ")})`,
    ],
  };
}
