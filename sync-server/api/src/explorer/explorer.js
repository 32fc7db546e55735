"use strict";
const make = (tag, text) => Object.assign(document.createElement(tag), { textContent: text ?? "" });
const resolve = (document, schema) =>
  schema?.$ref ? document.components.schemas[schema.$ref.split("/").pop()] : schema;

// A body to begin with: every field with a value of its type.
function sample(document, schema) {
  schema = resolve(document, schema) ?? {};
  const type = [].concat(schema.type ?? [])[0];
  if (schema.properties)
    return Object.fromEntries(Object.entries(schema.properties).map(([name, field]) => [name, sample(document, field)]));
  if (type === "array") return [sample(document, schema.items)];
  return { string: "", integer: 0, number: 0, boolean: false }[type] ?? null;
}

function operation(description, path, method, operation) {
  const box = make("details");
  const summary = make("summary");
  summary.append(Object.assign(make("span", method.toUpperCase()), { className: "method" }), make("code", path));
  box.append(summary, make("p", operation.description ?? operation.summary));
  const inputs = (operation.parameters ?? []).map((parameter) => {
    const label = make("label", parameter.name + (parameter.required ? "" : " (may be left out)"));
    const input = make("input");
    label.append(input);
    box.append(label);
    return { parameter, input };
  });
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const body = schema && Object.assign(make("textarea"), { value: JSON.stringify(sample(description, schema), null, 2) });
  if (body) box.append(body);
  const button = make("button", "Send");
  const answer = make("pre");
  button.onclick = async () => {
    let url = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of inputs) {
      if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(parameter.name, input.value);
    }
    if ([...query].length) url += "?" + query;
    const headers = {};
    const token = document.getElementById("token").value.trim();
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    try {
      const response = await fetch(url, { method: method.toUpperCase(), headers, body: body?.value });
      const text = await response.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* no JSON: as it came */ }
      answer.textContent = `${response.status} ${response.statusText}\n${shown}`;
      const given = /"accessToken": "([^"]+)"/.exec(shown);
      if (given) document.getElementById("token").value = given[1];
    } catch (error) {
      answer.textContent = String(error);
    }
  };
  box.append(button, answer);
  const answers = make("ul");
  for (const [status, response] of Object.entries(operation.responses ?? {}))
    answers.append(make("li", `${status}: ${response.description}`));
  box.append(answers);
  return box;
}

(async () => {
  const description = await (await fetch("/api/openapi.json")).json();
  document.getElementById("about").textContent = description.info.description;
  const routes = document.getElementById("routes");
  for (const [path, methods] of Object.entries(description.paths))
    for (const [method, route] of Object.entries(methods))
      routes.append(operation(description, path, method, route));
})();
