'use strict'

// Every kind of endpoint through a pool, by the methods of OpenAI's own client: what arrives, and what comes back.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const OpenAI = require('openai')
const { RequestManager } = require('..')
const { startRecorder } = require('./support/recorder.js')

const BYTES = Buffer.from(Array.from({ length: 1024 }, (_, index) => (index * 7 + (index >> 8)) % 256))
const SOUND = () => new File([BYTES], 'a b".mp3', { type: 'audio/mpeg' })
const LINES = '{"custom_id":"1"}\n{"custom_id":"2"}\n'

/** The client over one account, on a server that answers all with this value: JSON, a text, or bytes of a type. */
async function clientOf(t, value, type = 'application/json') {
  const body = typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)
  const server = await startRecorder(t, (_, response) => response.setHeader('content-type', type).end(body))
  const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL: server.baseURL })
  t.after(() => manager.close())
  return { server, client: new OpenAI({ apiKey: 'none of ours', fetch: manager.fetch }) }
}

const jsonOf = ({ body }) => JSON.parse(body.toString())
const formOf = ({ body, headers }) =>
  new Response(body, { headers: { 'content-type': headers['content-type'] } }).formData()

for (const [name, use, line, value] of [
  [
    'completions',
    (client) => client.completions.create({ model: 'gpt-3.5-turbo-instruct', prompt: 'One, two' }),
    'POST /v1/completions {"model":"gpt-3.5-turbo-instruct","prompt":"One, two"}',
    { object: 'text_completion', choices: [{ index: 0, text: ', three', finish_reason: 'length' }] },
  ],
  [
    'image generation',
    (client) => client.images.generate({ model: 'gpt-image-1', prompt: 'A river' }),
    'POST /v1/images/generations {"model":"gpt-image-1","prompt":"A river"}',
    { created: 1, data: [{ b64_json: BYTES.toString('base64') }] },
  ],
  [
    'moderations',
    (client) => client.moderations.create({ model: 'omni-moderation-latest', input: ['a', 'b'] }),
    'POST /v1/moderations {"model":"omni-moderation-latest","input":["a","b"]}',
    { id: 'modr-1', results: [{ flagged: false }, { flagged: true }] },
  ],
  [
    'a batch',
    (client) => client.batches.create({ input_file_id: 'file-1', endpoint: '/v1/responses', completion_window: '24h' }),
    'POST /v1/batches {"input_file_id":"file-1","endpoint":"/v1/responses","completion_window":"24h"}',
    { id: 'batch_1', status: 'validating' },
  ],
  [
    'the end of a batch',
    (client) => client.batches.cancel('batch_1'),
    'POST /v1/batches/batch_1/cancel ',
    { id: 'batch_1' },
  ],
  ['a model', (client) => client.models.retrieve('gpt-6-luna'), 'GET /v1/models/gpt-6-luna ', { id: 'gpt-6-luna' }],
  ['the end of a model', (client) => client.models.delete('ft:a'), 'DELETE /v1/models/ft:a ', { deleted: true }],
  ['a file', (client) => client.files.retrieve('file-1'), 'GET /v1/files/file-1 ', { id: 'file-1' }],
  ['the end of a file', (client) => client.files.delete('file-1'), 'DELETE /v1/files/file-1 ', { deleted: true }],
  [
    'a fine-tuning job',
    (client) => client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file: 'file-1' }),
    'POST /v1/fine_tuning/jobs {"model":"gpt-4.1-mini","training_file":"file-1"}',
    { id: 'ftjob-1', status: 'queued' },
  ],
  [
    'a response',
    (client) => client.responses.retrieve('resp_1'),
    'GET /v1/responses/resp_1 ',
    { id: 'resp_1', output: [] },
  ],
]) {
  test(`${name}: the request arrives and the answer comes back as they are`, async (t) => {
    const { client, server } = await clientOf(t, value)
    const answer = await use(client)
    for (const [field, expected] of Object.entries(value)) assert.deepEqual(answer[field], expected)
    const [{ method, url, body }] = server.received
    assert.equal(`${method} ${url} ${body}`, line)
    assert.equal(server.received.length, 1)
  })
}

test('completions in a stream', async (t) => {
  const chunk = (text, finish_reason) => ({ object: 'text_completion', choices: [{ index: 0, text, finish_reason }] })
  const events = [chunk(', th', null), chunk('ree', 'length')].map((data) => `data: ${JSON.stringify(data)}\n\n`)
  const { client, server } = await clientOf(t, `${events.join('')}data: [DONE]\n\n`, 'text/event-stream')
  const params = { model: 'gpt-3.5-turbo-instruct', prompt: 'One, two', stream: true }
  let text = ''
  for await (const { choices } of await client.completions.create(params)) text += choices[0].text
  assert.equal(text, ', three')
  assert.equal(server.received[0].url, '/v1/completions')
})

for (const [name, use, path, field, fields] of [
  [
    'a transcription',
    (client) => client.audio.transcriptions.create({ model: 'whisper-1', file: SOUND(), language: 'en' }),
    '/v1/audio/transcriptions',
    'file',
    { model: 'whisper-1', language: 'en' },
  ],
  [
    'a translation',
    (client) => client.audio.translations.create({ model: 'whisper-1', file: SOUND() }),
    '/v1/audio/translations',
    'file',
    { model: 'whisper-1' },
  ],
  [
    'an edit of an image',
    (client) => client.images.edit({ model: 'gpt-image-1', image: SOUND(), prompt: 'Bluer' }),
    '/v1/images/edits',
    'image',
    { model: 'gpt-image-1', prompt: 'Bluer' },
  ],
  [
    'a file',
    (client) => client.files.create({ file: SOUND(), purpose: 'batch' }),
    '/v1/files',
    'file',
    { purpose: 'batch' },
  ],
]) {
  test(`${name} is uploaded as a form, byte for byte`, async (t) => {
    const { client, server } = await clientOf(t, { text: 'Hello', id: 'file-1' })
    assert.equal((await use(client)).text, 'Hello')
    const [call] = server.received
    assert.equal(call.url, path)
    const form = await formOf(call)
    const file = form.get(field)
    assert.deepEqual(Buffer.from(await file.arrayBuffer()), BYTES)
    assert.equal(file.type, 'audio/mpeg')
    for (const [key, expected] of Object.entries(fields)) assert.equal(form.get(key), expected)
  })
}

test('a transcription as text is a text', async (t) => {
  const { client } = await clientOf(t, 'Grüße\n', 'text/plain; charset=utf-8')
  const params = { model: 'whisper-1', file: SOUND(), response_format: 'text' }
  assert.equal(await client.audio.transcriptions.create(params), 'Grüße\n')
})

test('speech comes back as bytes of its type', async (t) => {
  const { client, server } = await clientOf(t, BYTES, 'audio/mpeg')
  const answer = await client.audio.speech.create({ model: 'gpt-4o-mini-tts', voice: 'alloy', input: 'Hello' })
  assert.equal(answer.headers.get('content-type'), 'audio/mpeg')
  for (const ours of ['connection', 'keep-alive', 'content-length']) assert.equal(answer.headers.get(ours), null)
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), BYTES)
  assert.deepEqual(jsonOf(server.received[0]), { model: 'gpt-4o-mini-tts', voice: 'alloy', input: 'Hello' })
})

test('the content of a file comes back as it is, lines and bytes', async (t) => {
  for (const [value, type] of [
    [LINES, 'application/jsonl'],
    [`\uFEFF${LINES}`, 'text/plain'],
    [BYTES, 'application/octet-stream'],
    [BYTES, 'text/plain'],
    [BYTES, 'application/json'],
    ['', 'application/octet-stream'],
  ]) {
    const { client } = await clientOf(t, value, type)
    const answer = await client.files.content('file-1')
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), Buffer.from(value), type)
  }
})

test('a list is read page by page', async (t) => {
  const pages = { '': ['file-1', 'file-2'], 'file-2': ['file-3'] }
  const server = await startRecorder(t, ({ url }, response) => {
    const after = new URL(url, 'http://x').searchParams.get('after') ?? ''
    const data = pages[after].map((id) => ({ id }))
    response.end(JSON.stringify({ object: 'list', data, has_more: after === '' }))
  })
  const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL: server.baseURL })
  t.after(() => manager.close())
  const client = new OpenAI({ apiKey: 'none of ours', fetch: manager.fetch })
  const ids = []
  for await (const { id } of client.files.list({ limit: 2 })) ids.push(id)
  assert.deepEqual(ids, ['file-1', 'file-2', 'file-3'])
  assert.deepEqual(
    server.received.map(({ url }) => url),
    ['/v1/files?limit=2', '/v1/files?limit=2&after=file-2'],
  )
})

for (const size of [0, 1, 65_535, 65_537, 20e6, 40e6]) {
  test(`a body of ${size} bytes arrives as it is, and one comes back`, async (t) => {
    const bytes = Buffer.alloc(size, BYTES)
    const server = await startRecorder(t, ({ body }, response) =>
      response.setHeader('content-type', 'application/octet-stream').end(body),
    )
    const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL: server.baseURL })
    t.after(() => manager.close())
    const headers = { 'content-type': 'application/octet-stream' }
    const init = { method: 'POST', headers, body: bytes }
    const response = await manager.fetch('https://api.openai.com/v1/files', init)
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(bytes))
    assert.ok(server.received[0].body.equals(bytes))
  })
}

test('a chat of 20 MB is counted, and its answer of 20 MB comes back', async (t) => {
  const content = 'Hello, world. '.repeat(20e6 / 14)
  const { client, server } = await clientOf(t, { choices: [{ index: 0, message: { role: 'assistant', content } }] })
  const answer = await client.chat.completions.create({ model: 'gpt-6-luna', messages: [{ role: 'user', content }] })
  assert.ok(answer.choices[0].message.content === content)
  assert.ok(jsonOf(server.received[0]).messages[0].content === content)
})

test('an answer of more than 256 MB is an error that says so', async (t) => {
  const piece = Buffer.alloc(1 << 20)
  const server = await startRecorder(t, async (_, response) => {
    response.setHeader('content-type', 'application/octet-stream')
    while (!response.destroyed) await new Promise((resolve) => response.write(piece, resolve))
  })
  const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL: server.baseURL, maxRetries: 0 })
  t.after(() => manager.close())
  await assert.rejects(manager.request('/files/file-1/content'), {
    code: 'ERR_UPSTREAM',
    message: /the body is longer than 268435456 bytes/,
  })
  assert.equal(server.received.length, 1)
})
