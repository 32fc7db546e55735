/**
 * What a pupil's device does in the scenario that every language runs:
 * `ScenarioKt FOLDER join RELAY CODE`, or a step. Each step is a process of its own:
 * what it needs it reads from the device's database.
 */
package org.stunity.interop

import kotlin.system.exitProcess
import uniffi.stunity_ffi.Account
import uniffi.stunity_ffi.Assignment
import uniffi.stunity_ffi.Course
import uniffi.stunity_ffi.Item
import uniffi.stunity_ffi.ItemState
import uniffi.stunity_ffi.StunityException
import uniffi.stunity_ffi.SyncEvent
import uniffi.stunity_ffi.SyncObserver
import uniffi.stunity_ffi.Ticket
import uniffi.stunity_ffi.joinAccount
import uniffi.stunity_ffi.openAccount
import uniffi.stunity_ffi.syncAccount

private const val FIRST = "I pushed a door."
private const val TEXT = "$FIRST ខ្ញុំបានរុញទ្វារ។"

/** The event type of a submission. */
private val SUBMIT: UShort = 65u

private class Events : SyncObserver {
    val heard = mutableListOf<SyncEvent>()

    override fun onEvent(event: SyncEvent) {
        heard += event
    }
}

private fun Account.task(): Pair<Course, Assignment> {
    val course = courses().single()
    return course to assignments(course.id).single()
}

private fun Account.submission(): Item = status(100u).first { it.event == SUBMIT }

private fun Item.word(): String =
    when (state) {
        is ItemState.Queued -> "queued"
        is ItemState.Sending -> "sending"
        is ItemState.Carried -> "carried"
        is ItemState.Received -> "received"
        is ItemState.Pending -> "pending"
        is ItemState.Graded -> "graded"
        is ItemState.Refused -> "refused"
    }

private fun learn(account: Account): Map<String, Any?> {
    val events = Events()
    check(syncAccount(account, events).caughtUp)
    check(events.heard.any { it is SyncEvent.CaughtUp })
    val (course, assignment) = account.task()
    return mapOf("course" to course.title, "assignment" to assignment.title)
}

/** Offline: the relay is away. */
private fun write(account: Account): Map<String, Any?> {
    val (course, assignment) = account.task()
    val draft = account.createDraft(course.id, assignment.id)
    account.writeDraft(draft, FIRST)
    account.writeDraft(draft, TEXT)
    account.writeDraft(draft, "")
    check(account.undoDraft(draft))
    check(account.readDraft(draft) == TEXT)
    account.handIn(draft, 1u)
    account.rest()
    try {
        syncAccount(account, null)
        error("a sync without a relay")
    } catch (expected: StunityException.Unreachable) {
        // What it says: try again later.
    }
    val unsent = account.unsent()
    check(unsent.waiting > 0u && unsent.refused == 0uL)
    return mapOf("text" to TEXT, "state" to account.submission().word())
}

private fun send(account: Account): Map<String, Any?> {
    check(syncAccount(account, null).caughtUp)
    val unsent = account.unsent()
    check(unsent.waiting == 0uL && unsent.refused == 0uL)
    return mapOf("state" to account.submission().word())
}

/** Offline again, after the teacher graded. */
private fun read(account: Account): Map<String, Any?> {
    val (course, _) = account.task()
    val release = account.releases(course.id).single()
    return mapOf(
        "text" to account.drafts().single().text,
        "points" to release.points.toLong(),
        "feedback" to release.feedback,
        "state" to account.submission().word(),
    )
}

private fun join(folder: String, relay: String, code: String): Map<String, Any?> =
    joinAccount(folder, relay, Ticket.Invitation(code)).use { mapOf("account" to it.who().account) }

private fun json(value: Any?): String =
    when (value) {
        is Map<*, *> ->
            value.entries.joinToString(",", "{", "}") { (name, of) -> "\"$name\":${json(of)}" }
        is Long -> value.toString()
        else -> "\"$value\""
    }

fun main(args: Array<String>) {
    val (folder, step) = args
    val steps = mapOf("learn" to ::learn, "write" to ::write, "send" to ::send, "read" to ::read)
    val found =
        if (step == "join") join(folder, args[2], args[3])
        else openAccount(folder).use { account -> steps.getValue(step)(account) }
    println(json(found))
    exitProcess(0)
}
