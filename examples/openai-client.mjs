// OpenAI's own client over a pool: one line more than without.

import OpenAI from 'openai'
import { RequestManager } from 'openai-request-manager'

const manager = new RequestManager({
  accounts: { main: process.env.MAIN_KEY, spare: process.env.SPARE_KEY },
  baseURL: process.env.OPENAI_BASE_URL,
})
const client = new OpenAI({ apiKey: 'the pool has the keys', fetch: manager.fetch })

const answer = await client.chat.completions.create({
  model: 'gpt-6-luna',
  messages: [{ role: 'user', content: 'Name three rivers.' }],
})
console.log(answer.choices[0].message.content)

const stream = await client.chat.completions.create({
  model: 'gpt-6-luna',
  messages: [{ role: 'user', content: 'And three lakes.' }],
  stream: true,
})
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? '')
console.log()

console.log(await manager.usage({ by: ['account', 'model'] }))
await manager.close()
