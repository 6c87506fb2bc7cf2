// A backend with Express: requests of users become chats over a pool, in order of importance, given up when the user goes away; and
// everything under way ends before the process does.

import { once } from 'node:events'
import express from 'express'
import { RequestManager, RequestManagerError } from 'openai-request-manager'

const manager = new RequestManager({
  accounts: { main: process.env.MAIN_KEY, spare: process.env.SPARE_KEY },
  baseURL: process.env.OPENAI_BASE_URL,
  maxWaitMs: 20_000,
})

const app = express()
app.use(express.json())

app.post('/answers', async (request, response) => {
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  try {
    const stream = await manager.chat(
      { model: 'gpt-6-luna', messages: [{ role: 'user', content: request.body.question }], stream: true },
      { signal: gone.signal, tenant: request.body.user, priority: request.body.isPaying ? 1 : 0 },
    )
    response.type('text/plain')
    for await (const chunk of stream) {
      // A slow user slows the answer down, not the memory up.
      if (!response.write(chunk.choices[0]?.delta.content ?? '')) await once(response, 'drain')
    }
    response.end()
  } catch (error) {
    if (gone.signal.aborted || response.headersSent) return response.destroy()
    if (!(error instanceof RequestManagerError)) throw error
    const isBusy = error.code === 'ERR_WAIT' || error.code === 'ERR_BUDGET'
    if (error.retryAfterMs !== undefined) response.set('retry-after', String(Math.ceil(error.retryAfterMs / 1000)))
    response.status(isBusy ? 429 : 502).json({ code: error.code })
  }
})

app.get('/metrics', async (_request, response) => {
  response.type('text/plain').send(await manager.metrics({ model: 'gpt-6-luna' }))
})

const server = app.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`listening on ${server.address().port}`)
})

process.once('SIGTERM', async () => {
  // No more connections; what is under way ends; then the books are closed.
  server.close()
  await once(server, 'close')
  await manager.close()
  console.log('closed')
})
