// A task's events as they come. `EventSource` sends no headers, and so no key: the stream is read by fetch.

import { request } from '../shared/http.js';

/** Milliseconds until a stream that broke off is asked for again. */
const AGAIN = 1500;

/**
 * Calls `hear(kind, data)` for each event of a task until its `status` was told, or `signal` says to stop. A stream that breaks
 * off goes on where it was; `lost(true)` and `lost(false)` tell so.
 */
export async function follow(id, hear, { signal, lost = () => {} } = {}) {
  let last = '0';
  let ended = false;
  while (!ended && !signal?.aborted) {
    try {
      const response = await request(`/v1/tasks/${id}/events`, { signal, headers: { 'Last-Event-ID': last } });
      lost(false);
      for await (const event of events(response.body)) {
        last = event.id || last;
        if (event.data) hear(event.kind, JSON.parse(event.data));
        ended ||= event.kind === 'status';
      }
    } catch (error) {
      if (signal?.aborted || error.name === 'AbortError') return;
      // A refusal stays one; a connection that is gone comes back.
      if (error.status >= 400 && error.status < 500) throw error;
      lost(true);
    }
    if (!ended)
      await new Promise((resolve) => {
        setTimeout(resolve, AGAIN);
      });
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).replaceAll('\r\n', '\n').split('\n\n');
    text = parts.pop();
    for (const part of parts) {
      const event = { kind: 'message', id: '', data: '' };
      for (const line of part.split('\n')) {
        const at = line.indexOf(':');
        // A line that begins with a colon is there to keep the connection.
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
