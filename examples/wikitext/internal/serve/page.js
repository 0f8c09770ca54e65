
'use strict';
const $ = id => document.getElementById(id);
const numbers = ['max_tokens', 'temperature', 'top_p', 'top_k', 'min_p', 'repetition_penalty'];
let writing = null; // what aborts the request that is being answered
let session = '';   // what the model remembers of the text on the page

function say(text, wrong) {
  $('status').textContent = text;
  $('status').classList.toggle('wrong', !!wrong);
}

function headers() {
  const h = {'Content-Type': 'application/json'};
  if ($('key').value) h.Authorization = 'Bearer ' + $('key').value;
  return h;
}

// options is the body of a request, but for what it goes on from.
function options() {
  const body = {stream: true, stream_options: {include_usage: true}, session: {keep: true}, ignore_eos: $('ignore_eos').checked};
  for (const n of numbers) body[n] = Number($(n).value);
  if ($('seed').value !== '') body.seed = Number($('seed').value);
  if ($('stops').value !== '') body.stop = $('stops').value.replace(/\\n/g, '\n');
  return body;
}

// messageOf is what an answer that is an error says.
async function messageOf(res) {
  try {
    return (await res.json()).error.message;
  } catch {
    return 'the server answered ' + res.status;
  }
}

// events calls f with each object of a stream of server-sent events.
async function events(res, f) {
  const r = res.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await r.read();
    if (done) throw new Error('the server ended the text before its end');
    const parts = (rest + value).split('\n\n');
    rest = parts.pop();
    for (const p of parts) {
      const data = p.replace(/^data: /, '');
      if (data === '[DONE]') return;
      const o = JSON.parse(data);
      if (o.error) throw new Error(o.error.message);
      f(o);
    }
  }
}

// show keeps the end of the text in view, unless somebody reads further up.
function show(text) {
  const box = $('text'), below = box.scrollHeight - box.scrollTop - box.clientHeight;
  $('written').append(text);
  if (below < 40) box.scrollTop = box.scrollHeight;
}

function bytes(n) {
  return n < 10240 ? n + ' bytes' : n < 1 << 20 ? (n / 1024).toFixed(1) + ' KiB' : (n / (1 << 20)).toFixed(1) + ' MiB';
}

// remember shows how large the state behind the text is.
async function remember() {
  const res = await fetch('v1/sessions/' + session, {headers: headers()});
  if (res.ok) $('memory').textContent = bytes((await res.json()).bytes);
}

// write sends a request and shows what comes.
async function write(body) {
  writing = new AbortController();
  for (const id of ['write', 'on']) $(id).disabled = true;
  $('stop').disabled = false;
  for (const id of ['tokens', 'speed', 'first']) $(id).textContent = '–';
  say('Reading the prompt …');
  const begun = performance.now();
  let first = 0, pieces = 0, reason = '', usage = null, forgotten = '';
  try {
    const res = await fetch('v1/completions', {method: 'POST', headers: headers(), body: JSON.stringify(body), signal: writing.signal});
    if (!res.ok) throw new Error(await messageOf(res));
    session = '';
    await events(res, o => {
      usage = o.usage || usage;
      for (const c of o.choices) {
        const now = performance.now();
        if (!first) {
          first = now;
          $('first').textContent = Math.round(first - begun) + ' ms';
          say('Writing …');
        }
        show(c.text);
        session = c.session || session;
        forgotten = c.session_error || forgotten;
        reason = c.finish_reason || reason;
        pieces++;
        $('tokens').textContent = pieces;
        if (now > first) $('speed').textContent = Math.round((pieces - 1) / (now - first) * 1000);
      }
    });
    const took = (performance.now() - first) / 1000;
    $('tokens').textContent = usage.completion_tokens + ' + ' + usage.prompt_tokens + ' of the prompt';
    if (usage.completion_tokens > 1) $('speed').textContent = Math.round((usage.completion_tokens - 1) / took);
    say(reason === 'stop' ? 'The text has come to its end.' : 'As many tokens as were asked for.' + (forgotten && ' It cannot be gone on with: ' + forgotten));
    if (session) await remember();
  } catch (e) {
    if (e.name === 'AbortError') say('Stopped.');
    else say(e.message, true);
  }
  writing = null;
  $('write').disabled = false;
  $('on').disabled = !session;
  $('stop').disabled = true;
  document.body.dataset.done = String(Number(document.body.dataset.done || 0) + 1);
}

$('form').addEventListener('submit', e => {
  e.preventDefault();
  if (writing || !valid()) return;
  $('given').textContent = $('prompt').value;
  $('written').textContent = '';
  $('memory').textContent = '–';
  write({...options(), prompt: $('prompt').value});
});
$('on').addEventListener('click', () => {
  if (writing || !session || !valid()) return;
  const body = options();
  body.session.from = session;
  write(body);
});
$('stop').addEventListener('click', () => writing && writing.abort());
document.addEventListener('keydown', e => {
  if (e.key === 'Escape' && writing) writing.abort();
  if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) $('form').requestSubmit();
});

// valid says whether all options are in their ranges, and shows where they are not.
function valid() {
  for (const i of document.querySelectorAll('input')) {
    if (!i.reportValidity()) {
      say(document.querySelector('label[for=' + i.id + ']').firstChild.textContent.trim() + ': ' + i.validationMessage, true);
      return false;
    }
  }
  return true;
}

async function about() {
  const res = await fetch('v1/models', {headers: headers()});
  if (res.status === 401) return say('The server wants a key: see the options.', true);
  if (!res.ok) return say(await messageOf(res), true);
  const m = (await res.json()).data[0];
  $('model').textContent = m.id;
  $('size').textContent = m.vocab.toLocaleString('en') + ' tokens' + (m.parameters ? ', ' + m.parameters.toLocaleString('en') + ' parameters' : '');
  $('max_tokens').max = m.max_tokens;
  say('');
}
$('key').addEventListener('change', () => about().catch(e => say(e.message, true)));
about().catch(e => say(e.message, true));
