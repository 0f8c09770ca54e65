// Package serve lets programs on the network write with a language model: HTTP that
// speaks the common completions protocol, so that an existing client library works
// unchanged, and a page to try the model in a browser.
//
//	POST   /v1/completions          text behind a prompt, whole or as server-sent events
//	GET    /v1/models               the one model that is served
//	GET    /v1/models/{id}
//	POST   /v1/sessions             a state, in the bytes that a GET has returned, becomes a session
//	GET    /v1/sessions/{id}        what is known of a session
//	GET    /v1/sessions/{id}/state  its state in bytes
//	DELETE /v1/sessions/{id}
//	GET    /healthz                 200, or 503 once the server goes down
//	GET    /metrics                 for Prometheus
//	GET    /                        the page
//
// # Completions
//
// Of the protocol are model, prompt (a text, texts, ids, or lists of ids), max_tokens,
// temperature, top_p, n, best_of, stream, stream_options.include_usage, logprobs,
// echo, stop, presence_penalty, frequency_penalty, logit_bias, seed and user, with the
// defaults of the protocol; model may be left out. Beyond the protocol there are top_k,
// min_p, repetition_penalty, ignore_eos (the end of a line or a text is a token like
// others) and session. A field with another name is an error, and so are suffix, and
// logprobs of a prompt that is echoed. An empty prompt is the beginning of a text. Several prompts, and n of each, are several rows of the engine, which steps
// them together with those of other requests; the seed of each is that of the request
// plus its index.
//
// # Sessions
//
// {"session": {"keep": true}} keeps what the model remembers behind the last token, and
// the choice has the id of it as "session"; {"session": {"from": ID}} goes on from there
// with a prompt that may be empty. A session never changes: to go on twice from one is
// to write two texts, and a request that is repeated has the same answer. What is kept
// are the states of the layers: of S4, S4D, LSSL and LSTM as many bytes however long the
// text was, so for a small S4 of 1.8 million parameters 130 KiB. The state of a
// Transformer is all keys and values, and grows by as many bytes with every token; one
// that is larger than Config.MaxState is not kept, and the choice says so in
// "session_error". Sessions are in memory alone; those that nobody has asked for the
// longest go first when there are too many or too many bytes of them, and with time all
// go.
//
// # What may be asked for by anybody
//
// Everything that arrives is bounded in size, number and time by [Config]: connections,
// headers, bodies one by one and together, the depth of JSON, prompts, tokens, choices,
// and how long a client may take to send, to read, and to have its text written. Beyond
// what the engine takes there is a 429 with a Retry-After. A client that has left is
// found, and its rows with it. No path from the network reaches a file. Of a request only
// ids, sizes and times are logged. A page of another origin can call the API only if
// Config.Origins says so, and names other than that of the machine itself lead nowhere
// while the server listens on its loopback address, so that a page cannot reach it by a
// name of its own.
package serve
