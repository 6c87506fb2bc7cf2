'use strict'

// From the old JavaScript module: the import changes, and its constants are taken as they are.

const { configure, createChat, createEmbeddings } = require('openai-request-manager')

configure({
  OPEN_AI_KEYS: { ORG_1: process.env.MAIN_KEY, ORG_2: process.env.SPARE_KEY },
  baseURL: process.env.OPENAI_BASE_URL,
  EMBEDDINGS_TPM_MAX: 350_000,
  models: { gpt_3: { modelLimit: 90_000 } },
  // The old default model is gone.
  modelAliases: { 'gpt-3.5-turbo': 'gpt-6-luna' },
})

async function main() {
  const chat = await createChat({ text: 'Name three rivers.', systemPrompt: 'Answer in one line.', maxTokens: 200 })
  console.log(`${chat.org}: ${chat.output.data.choices[0].message.content} (${chat.tokensUsed} tokens)`)
  const { embeddings } = await createEmbeddings({ text: ['red', 'blue'], model: 'text-embedding-3-small' })
  console.log(`${embeddings.length} embeddings of ${embeddings[0].embedding.length} numbers`)
}

main()
