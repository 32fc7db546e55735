/**
 * `node front.mjs FOLDER RELAY`: serves a page's files and passes the rest to the
 * relay, as the server in front of a school's relay does. Prints its origin.
 */
import { readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { extname, join } from "node:path";

const [folder = "", relay = ""] = process.argv.slice(2);
const upstream = new URL(relay);

const TYPES: Record<string, string> = {
	".html": "text/html",
	".js": "text/javascript",
	".wasm": "application/wasm",
};

const server = createServer((incoming, answer) => {
	const path = new URL(incoming.url ?? "/", relay).pathname;
	if (!path.startsWith("/api/")) {
		const name = path === "/" ? "index.html" : path.slice(1);
		readFile(join(folder, name.replaceAll("..", ""))).then(
			(bytes) => {
				const type = TYPES[extname(name)] ?? "application/octet-stream";
				answer.writeHead(200, { "content-type": type }).end(bytes);
			},
			() => answer.writeHead(404).end(),
		);
		return;
	}
	const passed = request(
		new URL(path, upstream),
		{
			...(incoming.method === undefined ? {} : { method: incoming.method }),
			headers: incoming.headers,
		},
		(reply) => {
			answer.writeHead(reply.statusCode ?? 502, reply.headers);
			reply.pipe(answer);
		},
	);
	passed.on("error", () => answer.writeHead(502).end());
	incoming.pipe(passed);
});

server.on("upgrade", (incoming, socket, head) => {
	const passed = connect(Number(upstream.port), upstream.hostname, () => {
		const headers = Object.entries(incoming.headers).map(
			([name, value]) => `${name}: ${String(value)}\r\n`,
		);
		passed.write(`GET ${incoming.url} HTTP/1.1\r\n${headers.join("")}\r\n`);
		passed.write(head);
		passed.pipe(socket).pipe(passed);
	});
	passed.on("error", () => socket.destroy());
	socket.on("error", () => passed.destroy());
});

server.listen(0, "127.0.0.1", () => {
	const { port } = server.address() as AddressInfo;
	console.log(`http://127.0.0.1:${port}`);
});
