'use strict'

// Answers of `manager.fetch` that are there whole behave as Node's own Response with the same body.

const assert = require('node:assert/strict')
const http = require('node:http')
const { test } = require('node:test')
const { RequestManager } = require('..')
const { listen } = require('./support/listen.js')

const TEXT = '\ufeff{"n":1,"text":"Grüße 👋"}'
const URL = 'https://api.openai.com/v1/models'

/** A function that gets an answer with this body through a pool. */
async function answering(t, body, type) {
  const server = http.createServer((_, response) => {
    response.writeHead(200, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'x-request-id': 'req_1',
    })
    response.end(body)
  })
  const manager = new RequestManager({ accounts: { a: 'sk-a' }, baseURL: await listen(t, server) })
  t.after(() => manager.close())
  return () => manager.fetch(URL)
}

const BODIES = [
  ['a text', TEXT, 'application/json'],
  ['bytes', Buffer.from([0, 255, 254, 3]), 'audio/mpeg'],
  ['nothing', '', 'text/plain'],
  ['a form', 'a=1&b=%C3%BC', 'application/x-www-form-urlencoded'],
]

/** What can be asked of a response, in a form that can be compared. */
const QUESTIONS = {
  text: (response) => response.text(),
  json: (response) => response.json(),
  arrayBuffer: async (response) => Buffer.from(await response.arrayBuffer()),
  blob: async (response) => {
    const blob = await response.blob()
    return [blob.size, blob.type, await blob.text()]
  },
  formData: async (response) => [...(await response.formData())],
  body: async (response) => Buffer.concat(await Array.fromAsync(response.body)),
  'a clone': async (response) => {
    const clone = response.clone()
    return [await clone.text(), await response.text(), clone.bodyUsed, response.bodyUsed]
  },
  'the text twice': async (response) => {
    const first = await response.text()
    return [first, response.bodyUsed, await kindOf(response.text())]
  },
  'all else behind the text': async (response) => {
    await response.text()
    const later = ['json', 'arrayBuffer', 'blob', 'formData'].map((name) => kindOf(response[name]()))
    return [...(await Promise.all(later)), await kindOf((async () => response.clone())()), response.bodyUsed]
  },
  'the text behind the body': async (response) => {
    response.body.getReader()
    return [await kindOf(response.text()), response.bodyUsed]
  },
}

/** The name of what a promise rejects with. */
function kindOf(promise) {
  return promise.then(
    () => 'no error',
    (error) => error.name,
  )
}

/** `Array.fromAsync` is not in Node.js 20. */
Array.fromAsync ??= async (source) => {
  const all = []
  for await (const one of source) all.push(one)
  return all
}

for (const [kind, body, type] of BODIES) {
  for (const [question, ask] of Object.entries(QUESTIONS)) {
    test(`${kind}: ${question} is as with Node's own Response`, async (t) => {
      const get = await answering(t, body, type)
      const own = new Response(body, { headers: { 'content-type': type } })
      const answer = async (response) => ask(response).catch((error) => error.name)
      assert.deepEqual(await answer(await get()), await answer(own))
    })
  }
}

test('it is a Response, with its head', async (t) => {
  const get = await answering(t, TEXT, 'application/json')
  const response = await get()
  assert.ok(response instanceof Response)
  const { status, statusText, ok, type, redirected, bodyUsed } = response
  assert.deepEqual([status, statusText, ok, type, redirected, bodyUsed], [200, 'OK', true, 'default', false, false])
  assert.equal(response.headers.get('x-request-id'), 'req_1')
  const bytes = response.bytes === undefined ? [] : await response.bytes()
  assert.equal(Buffer.from(bytes).toString(), TEXT)
})
