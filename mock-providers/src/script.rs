//! The script of a provider: the YAML types, and the reference of every key for those who write scenarios.
//!
//! Owns the vocabulary and its strictness (an unknown key is an error with a position, when the reader has positions).
//! Refuses to own behaviour: what the keys do on the wire lives in the modules that read them.
//!
//! ```yaml
//! # Above `providers`: only in a config file (`Config`); scenarios bring their own seed, and no states.
//! version: 1                           # may be left out; there is no other
//! seed: 42
//! determinism: per_request             # the default, or per_sequence; see below
//! clock: {created: 1735689600, ids: derived}   # `created` also `real`, `ids` also `random`; default a fixed time, derived
//! defaults: {tokenizer: estimate, strict: openai, chunking: {unit: token}, latency: {ttft: 50ms}}   # see below
//! states:                              # see below; shared by all providers
//!   outage:
//!     initial: up
//!     states: {up: {}, down: {faults: [{status: 503}]}}
//!     schedule: [{at: 60s, to: down}, {at: 90s, to: up}]
//! admin: 127.0.0.1:8091                # where the admin API listens; without it there is none
//! providers:
//!   a:
//!     dialect: openai                  # the default; or azure, anthropic
//!     tls: true                        # default false; the certificate comes from the run's CA
//!     http2: true                      # the default; see below
//!     listen: 127.0.0.1:8090           # only for `windtunnel mock`; scenarios always get a free port
//!     auth: {keys: [sk-good]}          # see below; any other key is a 401 in the dialect's form
//!     models: [gpt-4o-mini]            # see below; no other model is known then
//!     certificate: expired             # beside TLS; or valid (default), wrong_host, self_signed, unknown_ca
//!     accept: refuse                   # see below; refuse = the port is closed (connection refused)
//!     idle_timeout: 50ms               # an idle connection is closed that long after an answer; default never
//!     quirks: [vllm-old, index_missing] # in what it differs from OpenAI, always; see below
//!     latency: {head: 50ms, ttft: {lognormal: {median: 220ms, sigma: 0.35, max: 3s}}, itl: 20ms}
//!     limits: {rpm: 600, tpm: 90000, concurrent: 64, queue: {max: 100}}
//!     chunking: {unit: word, coalesce: 2}   # a delta is so many tokens (default), words or chars; default one token
//!     strict: off                      # a bad parameter counts as left out; default openai: a 400 that names it
//!     rules:
//!       - name: flaky-then-fine        # what the journal calls it; default rule-1, rule-2…
//!         when: {path: "*/chat/completions", model: "gpt-4*", stream: true}
//!         times: 3                     # matches at most 3 times, then falls through to the next rule
//!         sequence:                    # or `respond:` and/or `fault:` directly
//!           - {respond: {status: 503, headers: {retry-after: "2"}}, times: 2}
//!           - {respond: {text: recovered}}      # the last step repeats
//!       - when: {last_user: {contains: weather}}
//!         respond:
//!           blocks:
//!             - {text: "Let me look. "}
//!             - {tool_call: {name: get_weather, arguments: {city: Paris}}}
//!     respond: {text: served by a}     # shorthand: one last catch-all rule named `respond`
//!     faults:                          # at most one of them happens to a request; see below
//!       - {probability: 0.02, status: 503}
//!       - {every: 50, when: {stream: true}, disconnect: {after_chunks: 7, how: rst}}
//!     unmatched: answer                # or error: a 404 `no_rule_matched` that names the nearest rules
//!     allow_overrides: false           # true: the request headers X-Mock-… are obeyed; see below
//! ```
//!
//! A provider of the dialect openai answers Anthropic's `/v1/messages` too. In all that follows, OpenAI stands for the
//! API of the dialect.
//! A provider without rules (or a request that none matches) is answered as OpenAI would: the journal then says
//! rule `default`. `respond`, `fault` and `sequence` may stand on a provider, and mean one last catch-all rule.
//! Durations are strings with a unit: `80us`, `250ms`, `1.5s`, `2m`; a day is the longest. Where a key says so, a
//! duration or a number may be drawn instead (see Distributions).
//!
//! # `defaults` (above `providers`)
//! `tokenizer`, `chunking`, `strict`, `latency`, `limits` and `quirks` as on a provider, for all providers that do not
//! give the key themselves. Of `latency` each key is replaced by itself, of the others the whole. Other parts that several
//! providers share can be written once with YAML's own anchors (`a: &one {…}`, `b: *one`).
//!
//! # `accept`
//! | value | a connection… |
//! |---|---|
//! | `normal` | is served |
//! | `refuse` | is refused: the port is held but closed |
//! | `blackhole` | is accepted; nothing is read or written (no TLS handshake either) until the caller leaves |
//! | `{stall: {first: n, for: 5s}}` | among the first n is neglected in the same way for that time, then closed; later ones are served. The count starts anew with a new script |
//!
//! # `models` (what `GET /models` lists; every request that names another model is then a 404 `model_not_found`)
//! Each is a name, or `{id, owned_by, created, context_window, max_output, kind: chat|embedding|moderation}`; a model
//! with a `kind` is not to be had for other operations. `created` is by default the beginning of 2026, or that of answers
//! where the `clock` says an earlier time. Without the key the list shows a few usual ones, and every
//! model that is asked for exists, but for those whose name begins with `no-such-model`: a 404 in each dialect's words. With `dialect: azure` these are the deployments.
//!
//! # `auth`
//! | key | value |
//! |---|---|
//! | `keys` | the keys that are let in; any other one is a 401 |
//! | `missing` | the status of a request without a key: 401 (default), 403, or another one from 400 on |
//!
//! A key is taken from where the dialect takes it: OpenAI a bearer token, Azure `api-key` or a bearer token, Anthropic
//! `x-api-key` or a bearer token. [`crate::credentials`] has the table, which also says what is masked.
//!
//! # `tokenizer`
//! | value | a token of prompts and answers is |
//! |---|---|
//! | `estimate` | (the default) a word of at most twelve characters with the space before it; longer words are several |
//! | `o200k`, `cl100k` | a token of that encoding (GPT-4o and later; GPT-4); only in builds with the crate feature `bpe`, as `windtunnel` is. Its tables, some 20 MB, are loaded when a script first asks for them |
//!
//! # Rules
//! `name`, `priority` (lower goes first, default 5; equal ones in their order), `when`, `times`, then `respond` and/or
//! `fault`, or `sequence`; and `to_state: {machine: state}`, where state machines go once the rule has answered. The first
//! rule whose `when` holds, and which is not used up, answers.
//!
//! A `sequence` is a list of steps `{respond, fault, times}`, or `{steps: […], on_exhausted: …}` with `repeat_last` (the
//! default), `cycle`, `fall_through` (the rule is passed over from then on) or `error` (a 404 `no_rule_matched`).
//!
//! # `when` (all given keys must hold)
//! | key | value |
//! |---|---|
//! | `path` | glob over the path without its query; `*` stands for anything |
//! | `method` | `GET`, `POST`… |
//! | `dialect` | in which the request is answered: that of the provider, or `anthropic` at an OpenAI provider that is asked so |
//! | `model` | glob over the body's `model`, or a text matcher's map |
//! | `stream` | whether the body says `stream: true` |
//! | `key` | text matcher over the credential, from where the dialect takes it |
//! | `header`, `query` | name → text matcher; the first of that name counts, parameters are decoded |
//! | `body` | JSONPath → value, or `{equals\|contains\|matches\|present: …}` |
//! | `last_user` | text matcher over the text of the last message in which the user speaks; without `messages`, of `input` or `prompt` |
//! | `system` | text matcher over all system and developer messages, `system` and `instructions`, one a line |
//! | `any_message`, `input` | text matcher that the text of one message, or one text of `input`, must satisfy |
//! | `turn` | `2` or `{min, max}`: how often the assistant has answered already |
//! | `has_tool_result` | whether a tool's result came since the user last spoke |
//! | `tool_result`, `tool_call_id` | text matcher over such results, or the ids of their calls: one must satisfy it |
//! | `tools_include` | a name or a list: tools that the request offers, all of them |
//! | `tools_hash`, `system_hash` | a hash as the journal shows it, where the provider has rules |
//! | `response_format` | text matcher over `text`, `json_object`, `json_schema` |
//! | `n_gt`, `max_tokens_lt` | a number: more choices, or a smaller limit (whatever the API calls it) |
//! | `image_input` | whether a message has an image |
//! | `nth` | `2` or `[1, 3]`: which of the requests that all other keys let through, from 1 |
//! | `session` | text matcher over the header `X-Mock-Session` |
//! | `state` | machine → the state that it is in |
//! | `any_of`, `not` | a list of `when`, one of which must hold; a `when` that must not |
//!
//! A text matcher is a string (equal) or one or more of `{equals, contains, prefix, matches: regex, present: bool}`;
//! `regex` is another word for `matches`. All of this reads chat, completions, responses and Anthropic's messages alike.
//!
//! # `respond`
//! | key | value |
//! |---|---|
//! | `status` | default 200. Not 2xx and no body given: the dialect's error envelope (`text` is then its message) |
//! | `headers` | name → string or list; replaces a default header of that name, an empty list removes it |
//! | `text`, `text_file` | the assistant's text, or the path of a file that has it, relative to the script (`max_tokens` and `stop` of the request are honoured) |
//! | `echo: true` | the text is the last user message |
//! | `tokens: n` | n synthetic words, a function of seed, request and occurrence; n may be drawn |
//! | `blocks` | ordered `{text: …}`, `{text_file: path}`, `{tool_call: {name, arguments, id?}}`, `{refusal: …}` and `{reasoning: …}`; string arguments are sent as they are, `auto` makes them up from the schema of the request's tool |
//! | `chunks` | list of strings: the text, streamed in exactly these content deltas, each counted as one token; `max_tokens` and `stop` do not cut them |
//! | `chunking` | replaces the provider's |
//! | `reasoning` | `{tokens, effort_scale: true, field}`: so many tokens of thought before the answer (scaled by the request's `reasoning_effort`, unless `effort_scale` is false), counted in `usage` and against `max_completion_tokens`. Shown only as a `field`: `reasoning_content` or `reasoning`; that goes for `{reasoning: …}` blocks, too. Default: none; models that reason by name (o1, o3, o4-mini, gpt-5…) think 128 tokens unseen |
//! | `finish_reason` | default: `stop`, `length` or `tool_calls`, as OpenAI would say; the dialect anthropic has its own words, and translates these |
//! | `usage` | `auto` (default: as `tokenizer` counts), `none`, or `{prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens}` (left out: estimated, details 0) |
//! | `model` | the model the answer names; default the requested one, resolved as OpenAI does |
//! | `id` | the id of the answer, with its prefix; default derived |
//! | `service_tier`, `system_fingerprint` | what the answer says under these names |
//! | `logprobs` | `none`, `synth` (made up) or a list of numbers (those of the first tokens of each text; more are made up), whether the request asks or not; default as it asks |
//! | `embedding` | of embeddings, the vector of every input: a list of numbers, or `{dims: n}`: made-up ones of that size unless the request asks for another |
//! | `json` | any value, sent as the body, on any path |
//! | `body`, `body_base64` | exact bytes of the body, on any path |
//! | `sse` | exact events: `{data: text or value, after: 120ms}`, `{raw: "exact\n\n"}`, `{raw_base64: …}`, `done`; nothing is added |
//! | `size` | the body is grown to this many bytes (`5MiB`, `64KiB`, `300B`): in its first text (of a stream, in its first text delta), where it has none by spaces before the last `}`. `usage` is that of the text before it grew |
//! | `retry_after`, `retry_after_form` | a duration as the `retry-after` header: `seconds` (default) or `http_date`, both rounded up; a date is made of the machine's clock |
//! | `content_type` | default by kind: `application/json`, `text/event-stream; charset=utf-8` |
//! | `framing` | `content_length` (default of JSON), `chunked` (default of streams), `close` (ends with the connection) |
//! | `encoding` | `gzip`, `deflate`, `br` or `zstd` (the last two stored, not compressed): the body in that content coding, with its `content-encoding`; of a stream each event can be decoded as it comes. Faults count encoded bytes |
//! | `if_accepted: true` | beside `encoding`: plain unless the request's `Accept-Encoding` allows it |
//! | `delay_head` | wait before the head; added to `latency.head`; may be drawn |
//! | `latency` | as on the provider but without `connect`; each key given replaces the provider's |
//!
//! Of `sse`, `body_base64`, `body`, `json`, `blocks`, `chunks`, `text`, `echo` and `tokens` the first given, in this
//! order, counts. The last five concern chat, completions, responses and messages (of completions, calls of tools are left out);
//! other paths (models, embeddings, moderations) then still answer as OpenAI would.
//! An answer has at most 1048576 tokens, all its choices together (then it ends by `length`), and a schema that asks for
//! a value of more than some hundred kilobytes gets a smaller one. A body of more than 64 MiB is refused (413), one of
//! more than 4194304 values is no JSON. A body is cut into at most 1048576 writes.
//! A stored response (of `POST /responses` without `store: false`) lives as long as the script, at most 1024 of them.
//!
//! # `latency` (of a provider, or of an answer under `respond`; times may be drawn)
//! | key | value |
//! |---|---|
//! | `connect` | passes before the first byte of an accepted connection is read; drawn by the connection's number; only on a provider |
//! | `head` | passes before the response head |
//! | `ttft` | passes between the head and the first content event |
//! | `itl` | passes between the events after it, drawn for each |
//! | `tps` | events a second: another way to say `itl`, not both |
//! | `prefill` | `{overhead, per_token, cached_ratio: 0.5}`: added to `ttft`, for the prompt's estimated tokens but for that share of them, which an `auto` usage reports as cached |
//! | `load_factor` | 1 to 1000: how many times longer `head`, `ttft` and `itl` are at `limits.concurrent` requests in flight; 1 at one, linear between. What is in flight when the request begins counts: the one key whose outcome depends on what else happens |
//! | `json` | `head` (the default): an answer that is no stream waits for `head` alone; or `whole`: for as long as a stream of the tokens in its usage would take besides, `ttft` and an `itl` for each |
//! | `total` | the longest that the whole answer takes, from the request to its end; its times shrink in proportion. Faults come on top |
//!
//! `usage` and `[DONE]` follow their predecessor at once. Events without a gap between them go out in one write. `sse`
//! events wait for their own `after` only. Every draw belongs to the request, but that of `connect`.
//!
//! # Distributions
//! | form | draws |
//! |---|---|
//! | a bare value, `{constant: v}` | always it |
//! | `{uniform: {lower, upper}}` | any between, evenly |
//! | `{normal: {mean, std_dev, min?, max?}}` | the bell curve; what is outside the bounds (`min` 0 when left out) is drawn anew |
//! | `{lognormal: {median, sigma, max?}}` | the median times e to a bell curve of deviation `sigma` |
//! | `{exponential: {mean, max?}}` | times between independent events |
//! | `{gamma: {mean, shape}}` | shape 1 is exponential; larger is more regular, smaller burstier |
//! | `{percentiles: {p50, p90, p99, max}}` | between two percentiles the logarithm grows evenly; below the median as from it to `p90` |
//! | `{histogram: [{le, weight}]}` | a bucket by weight, then any of it evenly; a bucket begins where the one before ends |
//! | `{choice: [{value, weight?}]}` | one of the values by weight, default 1 |
//! | `{trace: {values, loop?}}`, `{trace: {file, loop?}}` | recorded values: `itl` takes them in order, then begins again (`loop: true`) or repeats the last; a key that is drawn once takes any. A file has one value on each line and lies relative to the script |
//!
//! # `limits`
//! | key | value |
//! |---|---|
//! | `rpm`, `tpm` | requests and tokens a minute, refilled continuously. Tokens are the prompt's estimate and the request's token limit until the answer is over, then what its usage says (without a limit: as soon as the answer is made). Errors cost a request but no tokens, refused requests nothing |
//! | `concurrent` | requests in flight, of all callers together |
//! | `queue` | `{max: n, when_full: 429}` (or 503): over `concurrent` so many wait in order; default none |
//! | `scope` | whose requests and tokens are one quota: `key` (default), `provider` or `model` |
//! | `headers` | `always` (default), `on_limit` (only when refused) or `never` (then without `retry-after` too) |
//!
//! Limits concern POST requests of callers who are let in. One that is refused gets OpenAI's 429 (`requests` or
//! `tokens`, `rate_limit_exceeded`) with `retry-after` and `retry-after-ms`, never reaches a rule, and the journal says
//! rule `limits`; one larger than the limit itself is told so, and not to wait. What is left stands in
//! `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, true at the moment it is written; a request to `/messages`
//! gets Anthropic's names for it. A model's `context_window` is a limit too: a prompt that exceeds it together with the
//! request's token limit gives 400 `context_length_exceeded`.
//!
//! # `fault` (beside `respond` on a rule, on a step of a sequence, or on a provider; never inside `respond`)
//! Keys of any stages combine. What a key did to an answer, the journal names under `fault`; one that could do nothing
//! (a chunk header over HTTP/2, a second end of a body) it names under `not_applicable`.
//!
//! Connection: only in entries of `faults`, decided when a connection is accepted, whose number its draws follow from.
//! Triggers count connections then; an entry with `when` happens to none. Of `rst_on_accept`, `accept_then_close`,
//! `accept_then_hang`, `tls_handshake_fail` and `tls_bad_cert`, the first that is given and possible happens.
//!
//! | key | value |
//! |---|---|
//! | `accept_then_close: true` | FIN at once |
//! | `accept_then_hang` | `true` (for ever) or a duration, after which the connection ends: nothing is read or written |
//! | `rst_on_accept: true` | RST at once |
//! | `slow_accept: 2s` | nothing is read for that time, then the connection is served |
//! | `tls_handshake_fail: true` | the TLS greeting is answered with the alert `handshake_failure` |
//! | `tls_bad_cert` | `wrong_host`, `expired`, `self_signed` or `unknown_ca`: the certificate of this connection |
//!
//! Request: the first three only in entries of `faults`, decided with the head of a request: of its `when`, what asks
//! about the body does not hold. All keys of such an entry happen to its request, instead of another entry's.
//!
//! | key | value |
//! |---|---|
//! | `early_response` | `drain` or `close`: the answer (that of a request without a body) comes before the body, which is then read, or left unread as the connection (of HTTP/2: the stream) ends. Add `status: 413` and the like |
//! | `read_slowly: 10kB` | so many bytes of the body are read a second |
//! | `close_during_upload` | `{after_bytes: 1MiB, how: fin\|rst}`: the connection ends once so much of the body has come, default none, or all of a smaller one |
//! | `http2_rst_stream` | `{after_…, code: refused_stream}`, or `{before_head: true, code: …}`: the stream is reset; default code `internal_error` |
//! | `http2_goaway` | `{after_…, code: …}`, or `{before_head: true, code: …}`: with `no_error`, the default, streams under way go on and the connection then ends; with another code it ends at once |
//!
//! The codes are those of RFC 9113: `no_error`, `protocol_error`, `internal_error`, `flow_control_error`,
//! `settings_timeout`, `stream_closed`, `frame_size_error`, `refused_stream`, `cancel`, `compression_error`,
//! `connect_error`, `enhance_your_calm`, `inadequate_security`, `http_1_1_required`.
//!
//! Head: of the last four and `http2_rst_stream` before the head, only one can happen: `rst_before_head`, the stream's
//! reset, `empty_response`, `garbage_then_close`, `hang_before_head`, in this order. What else was scripted for the
//! answer is then not applicable.
//!
//! | key | value |
//! |---|---|
//! | `status` | the same as `respond.status` |
//! | `prompt_filter: true` | a 400: the content filter refuses the prompt, `content_policy_violation` (of Azure `content_filter`, with `innererror`) |
//! | `error_code`, `error_type`, `message` | texts for `code`, `type` and `message` of the error in a JSON body |
//! | `retry_after: 1.5s` | the `retry-after` header, in seconds, rounded up |
//! | `retry_after_ms: 250`, `x_should_retry: false` | the headers `retry-after-ms` and `x-should-retry` |
//! | `status_200_with_error_body: true` | the error of `status` (default 500) in the body, and a 200 in the head |
//! | `html_error_page: 502` | the HTML page of a proxy with this status, none of the provider's headers; 520 to 530 are those of a content network |
//! | `redirect` | `{to: url, status: 307}`: `location` and no body |
//! | `wrong_content_type: text/plain`, `missing_content_type: true` | the same body, called otherwise |
//! | `gzip_unasked: true` | the body in gzip, whatever the caller accepts; not where `encoding` is scripted |
//! | `duplicate_headers: [names]` | these headers come twice; `content-length` and `transfer-encoding` too |
//! | `huge_header: 64KiB` | one more header, with a value of so many bytes |
//! | `bad_content_length` | `more` or `less`: ten bytes more than the body, after which the connection ends, or ten less |
//! | `delay_head` | the answer comes that much later; may be drawn |
//! | `hang_before_head` | `true` (for ever) or a duration, after which the answer comes; may be drawn |
//! | `empty_response: true` | the request is read, then FIN without a byte |
//! | `rst_before_head: true` | the request is read, then RST |
//! | `garbage_then_close: true` | the request is read, then 64 bytes of noise and FIN |
//!
//! Transport: of several ends of a body the first counts.
//!
//! | key | value |
//! |---|---|
//! | `disconnect` | `{how: fin\|rst, after_…}`: the connection ends there, without the HTTP terminator; of HTTP/2, with all its streams |
//! | `truncate` | `{after_…}`: a clean HTTP end, but no finish chunk, usage or `[DONE]` |
//! | `stall` | `{after_…, for: 5s}`: silence, then on; without `for` silence until the caller leaves; may be drawn |
//! | `malformed_chunk_header` | `{after_…}`: where the next HTTP chunk would begin stands `size?`, then FIN; not over HTTP/2 |
//! | `coalesce: k` | every k events leave in one write, when the last of them is due |
//! | `split` | `{every: n}`, `{at: [offsets]}`, `{inside_utf8: true}` or `{inside_json: true}`: write boundaries; `gap` between them (default 2ms, for `every` none) |
//! | `dribble` | `{bytes: n, gap: 5ms}`: n bytes at a time |
//!
//! Model and quota:
//!
//! | key | value |
//! |---|---|
//! | `refuse: true` | the model refuses: its text is a refusal (of a scripted `text`, that one) |
//! | `content_filter: true`, `length_cut: true` | the answer ends after half its tokens, with that finish reason (`length`) |
//! | `ignore_max_tokens: true`, `ignore_stop: true`, `ignore_n: true` | the model is deaf to that parameter |
//! | `insufficient_quota: true` | 429 `insufficient_quota`, which no wait helps |
//! | `rate_limited` | `requests` or `tokens`: the answer as if that quota were just used up; without `limits` 60 requests or 60000 tokens a minute |
//! | `context_overflow: true` | 400 `context_length_exceeded`, whatever the prompt |
//! | `concurrency_full: true` | the answer as if `limits.concurrent` and the queue were full |
//!
//! When a fault happens, its triggers say; all given ones must hold, and without any it always does. They may stand in the
//! `faults` of a provider or a state, and beside the keys of a rule's or step's own `fault`.
//!
//! | trigger | it happens… |
//! |---|---|
//! | `when`, `state`, `during: {from, to}` | to such requests, in such states, in this time since the start or the last reset (`to` is outside). These say which requests are counted by the others |
//! | `first: n`, `after: n` | to the first n of them; not to the first n |
//! | `every: n`, `nth: [2, 5]` | to every nth; to these, from 1 |
//! | `times: n` | at most n times |
//! | `probability: 0.02` | to that part of them, chosen by the seed |
//!
//! Of a `faults` list at most one entry happens to a request. Entries whose other triggers hold share one roll: the first
//! happens below its probability, the second below the sum of both, and so on; without `probability` an entry is certain.
//! The faults of states come before the provider's in that list, and before both those that came by the admin API. A
//! rule's own fault has a roll of its own, and its keys win over those of the list.
//!
//! The position `after_…` is one of `after_chunks: n` (content or tool-call deltas; 0 = before the first one, role chunk
//! sent), `after_events: n` (any SSE event; 0 = only the head is sent), `after_tokens: n` (the delta that brings the text
//! to n tokens is the last), `after_bytes: n` (bytes of the body, HTTP chunk framing not counted) and `after: 2s` (time
//! since the head; then, not before). None: right after the head. Several: whichever comes first. Beyond the end: at the
//! end. A JSON body is one chunk and one event. With `split`, each piece is a write of its own (and an HTTP chunk, or a
//! DATA frame, of its own). Before an RST, bytes that the caller's window has not taken yet are lost, as in life.
//!
//! Keys that change what an answer says. They take effect before those above, in this order, on streams of chat,
//! completions, responses and Anthropic's messages, and on literal `sse` events; those of the first four rows on JSON
//! bodies too. A key that finds nothing to change is journalled as `not_applicable`. Where there is no value given, it
//! is `true`.
//!
//! | keys | what goes wrong |
//! |---|---|
//! | `wrong_language_chars`, `slow_reasoning: {for: 5s, deltas: 10}`, `missing_role`, `reasoning_as: name` | letters become characters of three and four bytes; the first content waits, while so many deltas of reasoning pass; `role` is missing; reasoning goes by that name |
//! | `unknown_tool`, `bad_arguments_json`, `arguments_as_object`, `thought_signature` | calls name `no_such_tool`; their arguments lack the last character, or are an object; they carry Gemini's signature |
//! | `finish_names: {stop: eos_token}`, `wrong_finish: name`, `missing_finish`, `finish_camel_case`, `required_call_finish: name` | finish reasons are renamed, all equal, missing (in JSON null), under `finishReason`; a call that was required ends by that name in JSON |
//! | `missing_usage`, `usage_mismatch: {delta: n}`, `chunk_fields: {…}`, `choice_fields: {…}` | no usage; a total that is n too large; more members in every body and chunk, or in every choice |
//! | `whole_calls`, `index_missing`, `index_always_zero`, `cut_call_errors`, `stream_call_finish: {tool_calls: stop}` | a call comes in one delta; deltas of calls have no index, or 0; a limit inside a call is an error; finish reasons of choices with calls are renamed |
//! | `early_finish`, `double_finish`, `finish_last_choice_only`, `finish_on_content_chunk`, `finish_empty`, `finish_key_missing` | a choice ends before its last content, twice, only if it is the last, or in its last content; before the end the reason is `""`, or not there |
//! | `usage_on_finish_chunk`, `usage_on_content_chunk`, `usage_null_missing` | usage comes with the end or with the last content; other chunks do not say `usage: null` |
//! | `empty_deltas: k`, `duplicate_chunk: k`, `reorder`, `id_changes`, `model_changes`, `choices_empty_first` | k deltas without content come first; the kth content delta (from 1) comes twice; the first two change places; each chunk has another id, each but the first another model; Azure's first chunk comes first |
//! | `missing_done`, `double_done`, `data_after_done` | no `[DONE]` (of responses and messages: no terminal event); two; content behind it |
//! | `error_event: {after_…, error: {…}, shape: …}` | an in-band error (of messages `event: error`), then a clean HTTP end without `[DONE]`; `shape` is `object` (`{"error": …}`), `string`, `flat`, `no_type` or `array`, left out as the dialect does. An answer that is no event stream becomes a 500 with this error as its JSON body; one with a status from 400 on stays as it is |
//! | `malformed_event`, `invalid_utf8`, `oversize_event: 1MiB` | the first content has JSON that is cut, bytes that are no UTF-8, or so many bytes |
//! | `comment_keepalive: {every, text}`, `data_keepalive: {every}` | `: text`, `data: : keepalive`, before every nth content event (`every: n`), in silences (`every: 15s`), or once before the first content |
//! | `empty_data_frame`, `event_frame`, `retry_frame` | `data:` and `event: ping` before the first content, `retry: 3000` before all |
//! | `id_lines`, `no_space`, `crlf`, `cr`, `no_final_blank_line`, `bom` | how lines are written |
//!
//! Keys that change a JSON body: `wrong_object`, `missing_field: {path: $.usage}`, `extra_field`, `null_choices`,
//! `huge_body: 5MiB`, `malformed_json`, `truncated_json`, `empty_body`; and of errors `integer_error_code`,
//! `openai_error`, `string_error`, `array_error`, `flat_error`, `untyped_error` (these also of an `error_event`).
//!
//! Keys that change how a request is judged: `ignored_fields: [n]` (the dialect never sees them), `refused_fields: [user]`
//! (400), `unknown_fields_422` (Mistral's), `one_choice_only`, `developer_role_rejected` (400), `developer_role_500`,
//! `base64_unsupported`, `thought_signature_required`, `unknown_path_200`, `failure_hidden` (a stream that fails before
//! its first content is only `[DONE]`), `api_key_ignored` (only as a quirk) and `overflow_as` (`in_stream`,
//! `server_error`, `success`, `empty_stream`, `exceed_context_size`: what becomes of `context_length_exceeded`).
//!
//! # `quirks` (on a provider)
//! A list of names: profiles (`openai`, `azure`, `vllm-old`, `vllm`, `llamacpp`, `ollama`, `ollama-old`, `lmstudio`,
//! `tgi`, `sglang-old`, `gemini-openai`, `mistral`, `openrouter`, `deepseek`, `together`, `anthropic-openai`), quirks
//! ([`crate::quirks::all`], with the deviations that they are) and keys of the three groups above that are `true`. What
//! they stand for lies under the faults of rules, whose keys win; a quirk that does not concern an answer is silent.
//!
//! # `states`
//! A machine is in `initial`, until the `schedule`, a rule's `to_state` or the owner of the process sends it elsewhere: the
//! latest of these counts. Time is counted from the start or the last reset. In a state that has `faults`, they concern
//! every provider of the process (narrow them by `when`).
//!
//! # Determinism
//! Everything that is made up, rolls included, follows from the seed, the provider, the rule, the request (method, target
//! and body) and its occurrence: how often this request was made before. So the answers to a set of requests are the same
//! in any order and on any number of threads, those of equal requests in flight together included. Two things go by order
//! of arrival, because they mean it: counts that several *different* requests share, and states. With `per_sequence` all
//! draws go by the number of the request at its provider instead. A million distinct requests are counted for each
//! provider; those that come after are taken as made for the first time.
//!
//! # `X-Mock-…` request headers (with `allow_overrides: true`)
//! `X-Mock-Rule: name` answers by that rule whatever its `when` says, `X-Mock-Status: 503` is that status, `X-Mock-Delay:
//! 2s` waits before the head, and `X-Mock-Fault` is a list of faults that need no value (`missing_done, stall`) or a JSON
//! map of `fault` keys. They lie over all other faults. `X-Mock-Session` is only a label, for `when`, the journal and those
//! who read it, and needs no leave.
//!
//! # HTTP/2
//! A connection that begins with the preface of HTTP/2 is served in HTTP/2, and over TLS `h2` is offered by ALPN, unless
//! the provider says `http2: false`. Rules see `:authority` as the header `host`. Headers and statuses that HTTP/2 cannot
//! carry (`connection`, `transfer-encoding`; 1xx as an answer) are left out, or reset the stream. `idle_timeout` ends a
//! connection without streams by GOAWAY.

mod auth;
mod chunking;
mod clock;
mod defaults;
mod deviation;
mod distribution;
mod duration;
mod embedding;
mod fault;
mod headers;
mod latency;
mod limits;
mod logprobs;
mod matching;
mod model;
mod reasoning;
#[cfg(test)]
mod reference;
mod resolve;
mod respond;
#[cfg(feature = "schema")]
mod schema;
mod sequence;
mod size;
mod state;
mod tokenizer;
mod trigger;
mod when;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::quirks::Quirks;

pub use auth::Auth;
pub use chunking::{Chunking, Strict, Unit};
pub use clock::{Clock, Created, Determinism, Ids};
pub use defaults::Defaults;
pub use deviation::{
    CommentKeepalive, DataKeepalive, ErrorShape, Every, MissingField, OverflowAs, SlowReasoning, UsageMismatch,
};
pub use distribution::{Distribution, Quantity};
pub(crate) use duration::LONGEST;
pub use embedding::{Embedding, EmbeddingSize};
pub use fault::{
    BadContentLength, CloseDuringUpload, Disconnect, Dribble, EarlyResponse, ErrorCode, ErrorEvent, Fault, Goaway,
    Hang, How, MalformedChunkHeader, Point, Redirect, RstStream, Split, Stage, Stall, Truncate,
};
pub use headers::{HeaderValues, Headers};
pub use latency::{JsonLatency, Latency, Prefill};
pub use limits::{LimitHeaders, Limits, Measure, Queue, Scope, WhenFull};
pub use logprobs::LogprobsSpec;
pub use matching::{BodyMatch, Glob, ModelMatch, Path, Pattern, TextMatch, ValueMatch};
pub use model::{Model, ModelKind};
pub use reasoning::{Reasoning, ReasoningField};
pub use resolve::ScriptError;
pub use respond::{Block, Encoding, Framing, Respond, RetryAfterForm, SseEvent, ToolCall, UsageNumbers, UsageSpec};
pub(crate) use sequence::Turn;
pub use sequence::{OnExhausted, Sequence};
pub use state::{Machine, MachineState, Transition};
pub use tokenizer::Tokenizer;
pub use trigger::During;
pub use when::{OneOrMany, Turns, When};

/// A file for `windtunnel mock --config`.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Config"))]
#[serde(deny_unknown_fields, default, remote = "Self")]
pub struct Config {
    /// The version of the format; only 1.
    #[serde(deserialize_with = "defaults::version")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1)))]
    pub version: Option<u64>,
    /// Seeds every synthetic value; default 0.
    pub seed: Option<u64>,
    /// What the draws follow from beside the seed.
    pub determinism: Determinism,
    /// What answers say of time.
    pub clock: Clock,
    /// Where the admin API listens; without it there is none.
    pub admin: Option<SocketAddr>,
    /// What lies under all providers; they have it already.
    pub defaults: Defaults,
    /// The providers by name.
    pub providers: BTreeMap<String, Provider>,
    /// The state machines that they share, by name.
    #[serde(deserialize_with = "state::machines")]
    pub states: BTreeMap<String, Machine>,
}

/// One scripted provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Provider {
    /// The wire dialect it speaks when nothing is scripted.
    pub dialect: Dialect,
    /// What counts its tokens; default the estimate.
    pub tokenizer: Option<Tokenizer>,
    /// Serve TLS; the host of the mock supplies the server configuration.
    pub tls: bool,
    /// Whether HTTP/2 is spoken with those who ask for it, by prior knowledge or by ALPN; default true.
    pub http2: Option<bool>,
    /// What is wrong with the certificate, if anything; the host of the mock obeys it.
    pub certificate: Certificate,
    /// Where `windtunnel mock` listens; scenarios ignore it.
    pub listen: Option<SocketAddr>,
    /// Which keys are accepted; none given means an open provider.
    pub auth: Option<Auth>,
    /// The models it has; any when left out.
    #[serde(deserialize_with = "model::list")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<model::Named>>"))]
    pub models: Option<Vec<Model>>,
    /// Whether the port is open.
    pub accept: Accept,
    /// How long a connection may be idle between requests; no limit when left out.
    #[serde(deserialize_with = "duration::option::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<schema::Time>"))]
    pub idle_timeout: Option<Duration>,
    /// In what it differs from OpenAI, always.
    pub quirks: Quirks,
    /// When bytes leave.
    pub latency: Latency,
    /// How much may be asked; no limits when left out.
    pub limits: Option<Limits>,
    /// How texts are cut into the deltas of a stream; default one token each.
    pub chunking: Option<Chunking>,
    /// Whether parameters are validated; default as OpenAI does.
    pub strict: Option<Strict>,
    /// Tried in order; the first match answers.
    pub rules: Vec<Rule>,
    /// Shorthand for a last catch-all rule.
    pub respond: Option<Respond>,
    /// Shorthand for a last catch-all rule.
    pub fault: Option<Fault>,
    /// Shorthand for a last catch-all rule.
    pub sequence: Sequence,
    /// What may go wrong with any answer; at most one of them does.
    pub faults: Vec<Fault>,
    /// What a request gets that no rule matches.
    pub unmatched: Unmatched,
    /// Whether the headers `X-Mock-…` may steer it.
    pub allow_overrides: bool,
}

/// What a request gets that no rule matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// An answer as the dialect's owner would give it.
    #[default]
    Answer,
    /// A 404 that names the rules that came closest.
    Error,
}

impl Provider {
    /// Whether HTTP/2 is spoken with those who ask for it.
    pub fn speaks_http2(&self) -> bool {
        self.http2.unwrap_or(true)
    }

    /// What counts its tokens.
    pub fn tokenizer(&self) -> Tokenizer {
        self.tokenizer.unwrap_or_default()
    }
}

/// The API a provider speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI's HTTP API.
    #[default]
    Openai,
    /// Azure OpenAI: deployments, `api-version`, content filter results.
    Azure,
    /// Anthropic's messages API.
    Anthropic,
}

/// Whether connections are accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// The port is open.
    #[default]
    Normal,
    /// The port is held but closed: connection refused.
    Refuse,
    /// Connections are accepted, and nothing is read or written ever.
    Blackhole,
    /// The first connections are accepted and neglected for a while.
    Stall(AcceptStall),
}

/// Connections that are accepted but not attended to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AcceptStall {
    /// How many, from the start of the script; later ones are served.
    pub first: u64,
    /// How long nothing is read or written; then they are closed.
    #[serde(rename = "for", deserialize_with = "duration::deserialize")]
    #[cfg_attr(feature = "schema", schemars(with = "schema::Time"))]
    pub duration: Duration,
}

/// What a provider's TLS certificate is like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// For the provider's names, from the run's CA.
    #[default]
    Valid,
    /// For another name.
    WrongHost,
    /// Out of date.
    Expired,
    /// Signed by its own key.
    SelfSigned,
    /// From a CA that nobody trusts.
    UnknownCa,
}

/// One rule: when it matches, and what it does.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// How the journal names it.
    pub name: Option<String>,
    /// Lower goes first, 5 when left out; equal ones in their order.
    pub priority: Option<i64>,
    /// Everything must hold; empty matches all.
    pub when: When,
    /// At most this many matches, then the rule is passed over.
    pub times: Option<u64>,
    /// The answer.
    pub respond: Option<Respond>,
    /// What goes wrong with it.
    pub fault: Option<Fault>,
    /// Several answers in order, instead of one.
    pub sequence: Sequence,
    /// Sends state machines to states when it answers.
    pub to_state: BTreeMap<String, String>,
}

/// One step of a sequence.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "ScriptStep"))]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// The answer.
    pub respond: Option<Respond>,
    /// What goes wrong with it.
    pub fault: Option<Fault>,
    /// For how many requests; default 1.
    pub times: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_reference_is_a_script() {
        let source = include_str!("script.rs");
        let example = source.split("//! ```yaml\n").nth(1).and_then(|rest| rest.split("//! ```").next());
        let lines = example.expect("an example").lines().map(|line| line.trim_start_matches("//!"));
        let yaml: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let config: Config = serde_saphyr::from_str(&yaml.join("\n")).expect("the example is well-formed");
        let provider = &config.providers["a"];
        assert_eq!((config.seed, provider.rules.len(), provider.accept), (Some(42), 2, Accept::Refuse));
    }
}
