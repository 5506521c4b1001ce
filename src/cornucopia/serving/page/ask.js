// Asking a model: the stream of /v1/chat/completions read into one answer that grows.

/** An answer with nothing in it. */
export function noAnswer(model) {
  return { model, content: "", reasoning: "", calls: [], finish: "", error: "", tokens: 0, first: 0, seconds: 0 };
}

/** Ask, and fill an answer while it is written.
 * body: of /v1/chat/completions (or of `path`), `stream` left out.
 * update(answer): called for each piece, the last time with `answer.finish` set: stop, length, tool_calls, stopped (by
 * the signal) or error (with `answer.error`).
 * Seconds in the answer: `first` until the first piece, `seconds` for the whole. Returns the answer; never throws. */
export async function ask(shell, body, { signal, update = () => {}, path = "/v1/chat/completions" } = {}) {
  const answer = noAnswer(body.model), begun = performance.now();
  const since = () => (performance.now() - begun) / 1000;
  try {
    const json = { ...body, stream: true, stream_options: { include_usage: true } };
    const response = await shell.fetch(path, { json, signal, quiet: true });
    for await (const event of events(response.body)) {
      if (event.error) throw new Error(event.error.message);
      take(answer, event);
      answer.seconds = since();
      answer.first ||= answer.seconds;
      update(answer);
    }
    if (!answer.finish) throw new Error("回答没有写完，连接就断了");
  } catch (error) {
    answer.finish = signal?.aborted ? "stopped" : "error";
    answer.error = signal?.aborted ? "" : error instanceof TypeError ? "连接断了：服务停了，或网络不通" : error.message;
  }
  answer.seconds = since();
  update(answer);
  return answer;
}

function take(answer, event) {
  const choice = event.choices?.[0], delta = choice?.delta || {};
  answer.content += delta.content || "";
  answer.reasoning += delta.reasoning_content || "";
  for (const { index = answer.calls.length, id, function: called } of delta.tool_calls || []) {
    const call = answer.calls[index] ||= { id, name: "", arguments: "" };
    call.name += called?.name || "";
    call.arguments += called?.arguments || "";
  }
  if (choice?.finish_reason) answer.finish = choice.finish_reason;
  if (event.usage) answer.tokens = event.usage.completion_tokens;
}

/** The JSON of each server-sent event; characters that a piece of the stream cuts in two are put together. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
    }
  }
}
