// The AI SDK over a pool.

import { createOpenAI } from '@ai-sdk/openai'
import { embedMany, generateText, streamText } from 'ai'
import { RequestManager } from 'openai-request-manager'

const manager = new RequestManager({
  accounts: { main: process.env.MAIN_KEY, spare: process.env.SPARE_KEY },
  baseURL: process.env.OPENAI_BASE_URL,
})
const openai = createOpenAI({ apiKey: 'the pool has the keys', fetch: manager.fetch })
// The pool repeats what can be repeated.
const maxRetries = 0

const { text } = await generateText({ model: openai.chat('gpt-6-luna'), prompt: 'Name three rivers.', maxRetries })
console.log(text)

const { textStream } = streamText({ model: openai.chat('gpt-6-luna'), prompt: 'And three lakes.', maxRetries })
for await (const part of textStream) process.stdout.write(part)
console.log()

const { embeddings } = await embedMany({
  model: openai.embedding('text-embedding-3-small'),
  values: ['red', 'blue'],
  maxRetries,
})
console.log(`${embeddings.length} embeddings of ${embeddings[0].length} numbers`)

await manager.close()
