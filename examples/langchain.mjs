// LangChain over a pool.

import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { RequestManager } from 'openai-request-manager'

const manager = new RequestManager({
  accounts: { main: process.env.MAIN_KEY, spare: process.env.SPARE_KEY },
  baseURL: process.env.OPENAI_BASE_URL,
})
// The pool repeats what can be repeated.
const settings = { apiKey: 'the pool has the keys', configuration: { fetch: manager.fetch }, maxRetries: 0 }

const model = new ChatOpenAI({ ...settings, model: 'gpt-6-luna' })
const answer = await model.invoke('Name three rivers.')
console.log(answer.content)
for await (const part of await model.stream('And three lakes.')) process.stdout.write(String(part.content))
console.log()

const embeddings = new OpenAIEmbeddings({ ...settings, model: 'text-embedding-3-small' })
const vectors = await embeddings.embedDocuments(['red', 'blue'])
console.log(`${vectors.length} embeddings of ${vectors[0].length} numbers`)

await manager.close()
