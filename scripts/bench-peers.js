'use strict'

// `npm run bench:peers`: how much of three accounts' limits we use, beside what else a Node.js backend could take. A benchmark is no
// test: nothing fails here but what cannot run.
// `--seconds N` shortens each client's run, `--only a,b` leaves out the others, `--no-build` measures the addon that is there.

const { parseArgs } = require('node:util')
const { installLibraries, versions } = require('../benches/libraries.js')
const { machine } = require('../benches/machine.js')
const { table } = require('../benches/markdown.js')
const { redisCommands, redisVersion, startRedis } = require('../benches/redis-server.js')
const { setUp } = require('./setup.js')

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '75' },
    only: { type: 'string' },
    'no-build': { type: 'boolean' },
  },
})

const NOTES = `Capacity is what the server could have admitted until the end: full buckets and refill. A request failed where its caller saw an
error. Times are those of answers, from the call. \`bottleneck\` and \`p-queue\` send through \`openai\` with its 2 retries.`

async function main() {
  const seconds = Number(values.seconds)
  if (!(seconds >= 1)) throw new Error(`--seconds must be a number from 1, got ${JSON.stringify(values.seconds)}`)
  if (!values['no-build']) setUp('release')
  installLibraries()
  // Behind the build, which also makes what these load.
  const { clients } = require('../benches/peers/clients.js')
  const { HEADS, row } = require('../benches/peers/table.js')
  const { ACCOUNTS, CALLERS, DEMAND } = require('../benches/peers/workload.js')

  const names = values.only?.split(',') ?? Object.keys(clients)
  const unknown = names.find((name) => !clients[name])
  if (unknown !== undefined) throw new Error(`no client ${unknown}; there are ${Object.keys(clients).join(', ')}`)
  const redis = redisVersion()
  const limits = ACCOUNTS.map((account) => `${account.requestsPerMinute}/${account.tokensPerMinute}`).join(', ')
  console.log(`
${names.length} clients, one after the other, ${seconds} s each: accounts with ${limits} requests/tokens a minute and full buckets,
${DEMAND} × of that asked for by ${CALLERS} callers, answers in 150–250 ms.

${machine()}
${versions(names.flatMap((name) => clients[name].libraries ?? []))}${redis === null ? '' : `, redis-server ${redis}`}
`)
  const rows = []
  for (const name of names) {
    const { title, needsRedis, processes } = clients[name]
    if (needsRedis && redis === null) {
      console.log(`Left out, for want of redis-server (Debian: apt-get install redis-server): ${title}`)
      continue
    }
    const seen = await measure({ name, processes, seconds }, needsRedis)
    rows.push(row(title, seen))
    console.log(`${rows.at(-1).join(' | ')}${causes(seen.failures)}`)
  }
  console.log(`\n${table(HEADS, rows)}\n\n${NOTES}`)
}

async function measure(task, needsRedis) {
  const { runClient, startServer } = require('../benches/peers/processes.js')
  const server = await startServer()
  const redis = needsRedis ? await startRedis() : null
  const seen = await runClient({ ...task, server: { baseURL: server.baseURL, redisPort: redis?.port } })
  if (redis) seen.redisCommands = redisCommands(redis.port)
  await server.stop()
  await redis?.stop()
  return seen
}

function causes(failures) {
  const counts = Object.entries(failures).map(([cause, count]) => `${count} × ${cause}`)
  return counts.length === 0 ? '' : ` (${counts.join(', ')})`
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
