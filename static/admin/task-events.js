// @ts-check
// The event stream of a task. It is read with `fetch`, because an `EventSource` cannot send an API key.

import { RequestError, isAbort, request } from '../shared/http.js';

/** Delay before a broken stream is requested again. */
const RECONNECT_MS = 1500;

/**
 * Calls `onEvent` for each event of a task until its last one, `status`, or until `signal` aborts. A stream that
 * breaks off is resumed after the last event that was received.
 *
 * @param {number} id
 * @param {(kind: string, data: any) => void} onEvent
 * @param {object} options
 * @param {AbortSignal} options.signal
 * @param {(isLost: boolean) => void} options.onConnection Called when the connection is lost and when it is back.
 */
export async function followTask(id, onEvent, { signal, onConnection }) {
  let last = '0';
  let ended = false;
  while (!ended && !signal.aborted) {
    try {
      const response = await request(`/v1/tasks/${id}/events`, { signal, headers: { 'Last-Event-ID': last } });
      onConnection(false);
      if (!response.body) return;
      for await (const event of parseEvents(response.body)) {
        last = event.id || last;
        if (event.data) onEvent(event.kind, JSON.parse(event.data));
        ended ||= event.kind === 'status';
      }
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      // Trying again does not help against a refusal.
      if (error instanceof RequestError && error.status >= 400 && error.status < 500) throw error;
      onConnection(true);
    }
    if (!ended) {
      await new Promise((resolve) => {
        setTimeout(resolve, RECONNECT_MS);
      });
    }
  }
}

/**
 * Parses server-sent events.
 *
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 */
async function* parseEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).replaceAll('\r\n', '\n').split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const event = { kind: 'message', id: '', data: '' };
      for (const line of part.split('\n')) {
        const at = line.indexOf(':');
        // Lines that begin with a colon keep the connection open.
        if (at < 1) continue;
        const rest = line.slice(at + 1).replace(/^ /, '');
        if (line.startsWith('event:')) event.kind = rest;
        else if (line.startsWith('id:')) event.id = rest;
        else if (line.startsWith('data:')) event.data += rest;
      }
      yield event;
    }
  }
}
