// socket.io-client, as it comes from npm, against a running relay: every event.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { io } from "socket.io-client";
import { Person, RELAY, within } from "./relay.js";

/** @typedef {import("socket.io-client").Socket} Socket */

/** @param {string} text */
const sealed = (text) => Buffer.from(text).toString("base64");

/**
 * A client of its own connection, not yet connected.
 * @param {object} auth
 * @param {object} [options]
 */
function client(auth, options = {}) {
	return io(RELAY, {
		transports: ["websocket"],
		forceNew: true,
		autoConnect: false,
		reconnection: false,
		auth,
		...options,
	});
}

/**
 * The next event that is wanted.
 * @param {Socket} socket
 * @param {string} event
 * @param {(data: any) => boolean} [wanted]
 * @param {number} [patience]
 * @returns {Promise<any>}
 */
function next(socket, event, wanted = () => true, patience) {
	return within(
		event,
		(resolve) => {
			/** @param {any} data */
			const hear = (data) => {
				if (!wanted(data)) return;
				socket.off(event, hear);
				resolve(data);
			};
			socket.on(event, hear);
		},
		patience,
	);
}

/** @param {Person} person */
async function connected(person, options = {}) {
	const socket = client({ token: person.token, ...options });
	const here = next(socket, "connect");
	socket.connect();
	await here;
	return socket;
}

/**
 * The code with which a client is not let in.
 * @param {Socket} socket
 */
async function refusal(socket) {
	const error = next(socket, "connect_error");
	socket.connect();
	const { message } = await error;
	socket.close();
	return message;
}

/**
 * Says something, and waits for the answer.
 * @param {Socket} socket
 * @param {string} event
 * @param {object} data
 * @returns {Promise<any>}
 */
const ask = (socket, event, data) => socket.timeout(10_000).emitWithAck(event, data);

/**
 * @param {Person} starter
 * @param {Person[]} members
 */
async function conversation(starter, members, type = "DIRECT") {
	const body = { type, members: members.map((member) => member.id) };
	const { status, body: made } = await starter.call("POST", "messages/conversations", body);
	assert.ok(status === 201 || status === 200, JSON.stringify(made));
	return made.id;
}

test("who is not let in is told why", async () => {
	const alice = await Person.signedIn("alice");
	assert.equal(await refusal(client({})), "token.missing");
	assert.equal(await refusal(client({ token: "a.b.c" })), "token.invalid");
	// A token in the address ends in logs: it counts for nothing.
	const query = { query: { token: alice.token } };
	assert.equal(await refusal(client({}, query)), "token.missing");
	const foreign = { extraHeaders: { Origin: "https://evil.example" } };
	assert.equal(await refusal(client({ token: alice.token }, foreign)), "origin.other");
	const polling = client({ token: alice.token }, { transports: ["polling"] });
	assert.ok(await refusal(polling));
});

test("messages come in order, once, from sockets, REST and devices", async () => {
	const [alice, bob] = [await Person.signedIn("alice"), await Person.signedIn("bob")];
	const id = await conversation(alice, [bob]);
	const [from, to] = [await connected(alice), await connected(bob)];
	const unknown = await ask(to, "join_conversation", { conversationId: "0".repeat(32) });
	assert.equal(unknown.code, "not-found");
	for (const socket of [from, to]) {
		const joined = await ask(socket, "join_conversation", { conversationId: id });
		assert.equal(joined.conversationId, id);
	}
	/** @type {any[]} */
	const heard = [];
	to.on("new_message", (message) => heard.push(message));

	const last = next(to, "new_message", (message) => message.envelope === sealed("19"));
	const sent = [];
	for (let n = 0; n < 20; n++) {
		const message = { conversationId: id, envelope: sealed(`${n}`) };
		sent.push(ask(from, "send_message", message));
	}
	const answers = await Promise.all(sent);
	await last;
	const expected = [...Array(20).keys()].map((n) => sealed(`${n}`));
	assert.deepEqual(heard.map((message) => message.envelope), expected);
	assert.deepEqual(heard.map((message) => message.id), answers.map((made) => made.id));
	assert.ok(heard.every((message) => message.senderId === alice.id));
	assert.ok(answers.every((made) => /^[0-9a-f]{64}$/.test(made.entry) && made.state === "done"));

	// Sent again for want of an answer.
	const again = { conversationId: id, id: "ab".repeat(16), envelope: sealed("again") };
	const first = await ask(from, "send_message", again);
	assert.deepEqual(await ask(from, "send_message", again), first);

	const byRest = next(to, "new_message", (message) => message.envelope === sealed("rest"));
	const said = await alice.call("POST", `messages/${id}`, { envelope: sealed("rest") });
	assert.equal(said.status, 201);
	assert.equal((await byRest).id, said.body.id);
	assert.equal(heard.filter((message) => message.id === again.id).length, 1);

	alice.device("sync");
	const file = `${process.env["HOMES"]}/envelope`;
	writeFileSync(file, "device");
	const queued = alice.device("message", "send", "--to", id, "--envelope", file);
	const byDevice = next(to, "new_message", (message) => message.id === queued.message);
	alice.device("sync");
	assert.equal((await byDevice).envelope, sealed("device"));
	bob.device("sync");
	const held = bob.device("message", "list", "--of", id, "--limit", "100");
	assert.equal(held.length, 23);

	// What is not sealed has no form.
	const wrong = await ask(from, "send_message", { conversationId: id, text: "hello" });
	assert.equal(wrong.code, "body.invalid");
	const malformed = await ask(from, "send_message", { conversationId: id, envelope: "!" });
	assert.equal(malformed.errors[0].code, "envelope.malformed");
	from.close();
	to.close();
});

test("who types and who is there is told to those who share a conversation", async () => {
	const [alice, bob] = [await Person.signedIn("alice"), await Person.signedIn("bob")];
	const carol = await Person.signedIn("carol");
	const id = await conversation(alice, [bob]);
	const [ofAlice, ofCarol] = [await connected(alice), await connected(carol)];
	/** @type {string[]} */
	const strange = [];
	for (const event of ["user_typing", "user_online", "user_offline", "new_message"]) {
		ofCarol.on(event, () => strange.push(event));
	}
	await ask(ofAlice, "join_conversation", { conversationId: id });
	const comes = next(ofAlice, "user_online");
	const ofBob = await connected(bob);
	assert.deepEqual(await comes, { userId: bob.id });
	const isThere = next(ofBob, "user_online");
	await ask(ofBob, "join_conversation", { conversationId: id });
	assert.deepEqual(await isThere, { userId: alice.id });

	const types = next(ofAlice, "user_typing");
	ofBob.emit("typing", { conversationId: id });
	assert.deepEqual(await types, { conversationId: id, userId: bob.id, typing: true });
	const stops = next(ofAlice, "user_typing");
	ofBob.emit("typing", { conversationId: id, typing: false });
	assert.equal((await stops).typing, false);

	const goes = next(ofAlice, "user_offline");
	ofBob.close();
	assert.deepEqual(await goes, { userId: bob.id });

	// Whoever does not want to be seen is not.
	const hidden = await connected(bob, { presence: false });
	await ask(hidden, "join_conversation", { conversationId: id });
	const heard = next(ofAlice, "user_typing");
	let seen = false;
	ofAlice.on("user_online", () => {
		seen = true;
	});
	hidden.emit("typing", { conversationId: id });
	await heard;
	assert.equal(seen, false);
	assert.deepEqual(strange, []);
	for (const socket of [ofAlice, ofCarol, hidden]) socket.close();
});

test("who is removed from a conversation hears nothing more of it", async () => {
	const [alice, bob] = [await Person.signedIn("alice"), await Person.signedIn("bob")];
	const group = await conversation(alice, [bob], "GROUP");
	const direct = await conversation(alice, [bob]);
	const [ofAlice, ofBob] = [await connected(alice), await connected(bob)];
	for (const conversationId of [group, direct]) {
		await ask(ofAlice, "join_conversation", { conversationId });
		await ask(ofBob, "join_conversation", { conversationId });
	}
	/** @type {string[]} */
	const heard = [];
	ofBob.on("new_message", (message) => heard.push(message.conversationId));
	const member = `messages/conversations/${group}/members/${bob.id}`;
	assert.equal((await alice.call("DELETE", member)).status, 200);
	const last = next(ofBob, "new_message", (message) => message.conversationId === direct);
	for (const conversationId of [group, direct]) {
		await ask(ofAlice, "send_message", { conversationId, envelope: sealed("x") });
	}
	await last;
	assert.deepEqual(heard, [direct]);
	const refused = await ask(ofBob, "send_message", { conversationId: group, envelope: sealed("x") });
	assert.equal(refused.code, "not-found");
	const rejoined = await ask(ofBob, "join_conversation", { conversationId: group });
	assert.equal(rejoined.code, "not-found");
	ofAlice.close();
	ofBob.close();
});

test("a socket goes on by a newer token and ends with its session within five seconds", async () => {
	const [alice, bob] = [await Person.signedIn("alice"), await Person.signedIn("bob")];
	const [ofAlice, ofBob] = [await connected(alice), await connected(bob)];
	await bob.refresh();
	assert.deepEqual(await ask(ofBob, "authenticate", { token: bob.token }), {});
	const other = await ask(ofBob, "authenticate", { token: alice.token });
	assert.equal(other.code, "session.other");
	const end = next(ofBob, "disconnect", () => true, 5_000);
	assert.equal((await bob.call("POST", "auth/logout-everywhere")).status, 204);
	assert.equal(await end, "io server disconnect");
	assert.equal(await refusal(client({ token: bob.token })), "session.ended");
	assert.ok(ofAlice.connected);
	ofAlice.close();
});
