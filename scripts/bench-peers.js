'use strict'

// `npm run bench:peers`: how much of three accounts' limits we use, beside what else a Node.js backend could take. A benchmark is no
// test: nothing fails here but what cannot run.
// `--seconds N` shortens each client's run, `--only a,b` leaves out the others, `--no-build` measures the addon that is there.

const path = require('node:path')
const { parseArgs } = require('node:util')
const { run, setUp } = require('./setup.js')

const folder = path.join(__dirname, '..', 'benches', 'peers')

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
  run('npm', ['install', '--no-save', '--no-package-lock', '--no-fund', '--no-audit'], { cwd: folder })
  // Behind the build, which also makes what these load.
  const { clients } = require('../benches/peers/clients.js')
  const { redisVersion } = require('../benches/peers/processes.js')
  const { machine, row, table } = require('../benches/peers/table.js')
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
${versions(clients, names, redis)}
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
  console.log(`\n${table(rows)}\n\n${NOTES}`)
}

async function measure(task, needsRedis) {
  const { redisCommands, runClient, startRedis, startServer } = require('../benches/peers/processes.js')
  const server = await startServer()
  const redis = needsRedis ? await startRedis() : null
  const seen = await runClient({ ...task, server: { baseURL: server.baseURL, redisPort: redis?.port } })
  if (redis) seen.redisCommands = redisCommands(redis.port)
  await server.stop()
  await redis?.stop()
  return seen
}

function versions(clients, names, redis) {
  const libraries = new Set(names.flatMap((name) => clients[name].libraries ?? []))
  const installed = [...libraries].map((name) => {
    const { version } = require(path.join(folder, 'node_modules', name, 'package.json'))
    return `${name} ${version}`
  })
  const ours = `openai-request-manager ${require('../package.json').version}`
  return [ours, ...installed, ...(redis ? [`redis-server ${redis}`] : [])].join(', ')
}

function causes(failures) {
  const counts = Object.entries(failures).map(([cause, count]) => `${count} × ${cause}`)
  return counts.length === 0 ? '' : ` (${counts.join(', ')})`
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
