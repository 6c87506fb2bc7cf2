// OpenAI's Agents SDK over a pool.

import { Agent, run, setDefaultOpenAIClient, setOpenAIAPI, setTracingDisabled } from '@openai/agents'
import OpenAI from 'openai'
import { RequestManager } from 'openai-request-manager'

const manager = new RequestManager({
  accounts: { main: process.env.MAIN_KEY, spare: process.env.SPARE_KEY },
  baseURL: process.env.OPENAI_BASE_URL,
})
setDefaultOpenAIClient(new OpenAI({ apiKey: 'the pool has the keys', fetch: manager.fetch }))
// Chats; without this line it asks for responses, which go through the pool as well.
setOpenAIAPI('chat_completions')
// Traces go to OpenAI past any client, with a key of their own.
setTracingDisabled(true)

const agent = new Agent({ name: 'Guide', instructions: 'Answer in one line.', model: 'gpt-6-luna' })
const { finalOutput } = await run(agent, 'Name three rivers.')
console.log(finalOutput)

const stream = await run(agent, 'And three lakes.', { stream: true })
for await (const text of stream.toTextStream()) process.stdout.write(text)
console.log()

console.log(await manager.usage({ by: ['account', 'model'] }))
await manager.close()
