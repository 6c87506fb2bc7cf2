'use strict'

// The user that the README proposes may do what we need, and what we need is no more than that.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { RequestManager } = require('..')
const { startSimulator } = require('../simulator')
const { ask, startRedis } = require('./support/redis')

test('the commands and keys that the README names for a user are enough', async (t) => {
  const readme = fs.readFileSync(path.join(__dirname, '..', 'README.md'), 'utf8')
  const [, rules] = /^ACL SETUSER app on >password (.+)$/m.exec(readme)
  const port = await startRedis(t)
  const admin = { tcp: { host: '127.0.0.1', port } }
  await ask(admin, 'ACL', 'SETUSER', 'app', 'on', '>password', ...rules.split(' '))

  const simulator = await startSimulator({ accounts: [{ label: 'a', apiKey: 'sk-a' }] })
  t.after(() => simulator.close())
  const manager = new RequestManager({
    accounts: [{ label: 'a', apiKey: 'sk-a', budget: { usdPerDay: 1 } }],
    baseURL: simulator.baseURL,
    redis: { host: '127.0.0.1', port, username: 'app', password: 'password' },
  })
  const params = { model: 'gpt-6-luna', messages: [{ role: 'user', content: 'Hello' }] }
  await Promise.all(Array.from({ length: 5 }, () => manager.chat(params)))
  assert.equal((await manager.usage())[0].requests, 5)
  assert.equal((await manager.status({ model: 'gpt-6-luna' })).redis.away, null)
  await manager.close()

  assert.equal(await ask(admin, 'ACL', 'LOG'), '*0\r\n')
  assert.match(await ask(admin, 'GET', 'a:tokensUsed'), /\d+/)
})
