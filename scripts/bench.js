'use strict'

// `npm run bench`: what it costs to use us, beside what else a Node.js backend could take. A benchmark is no test: a bar that was not
// reached is printed.
// `--only calls,streams` leaves out the other sections, `--quick` makes few and short rounds, `--write` writes benches/RESULTS.md,
// `--no-build` measures the addon that is there, which must be a release build to tell anything.

const fs = require('node:fs')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { installLibraries, versions } = require('../benches/libraries.js')
const { machine } = require('../benches/machine.js')
const { redisVersion } = require('../benches/redis-server.js')
const sections = require('../benches/speed/sections.js')
const { buildServer, startServer } = require('../benches/speed/server.js')
const topics = require('../benches/speed/topics.js')
const { root, setUp } = require('./setup.js')

const RESULTS = path.join(root, 'benches', 'RESULTS.md')

const ABOUT = `Medians of interleaved rounds, each contender in a process of its own, against a server on loopback that gives canned answers
(\`benches/server\`). In brackets: how many times ours it is. Only ratios within one run count: a shared machine changes its speed by half
within an hour. Every client writes and parses every body, and no two requests are equal; ours counts, books, settles and reckons the
cost of each.`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
  },
})

async function main() {
  const names = values.only?.split(',') ?? Object.keys(sections)
  const unknown = names.find((name) => !sections[name])
  if (unknown !== undefined) throw new Error(`no section ${unknown}; there are ${Object.keys(sections).join(', ')}`)
  if (!values['no-build']) setUp('release')
  installLibraries()
  buildServer()

  const redis = redisVersion()
  const contenders = Object.values(topics).flatMap((topic) => Object.values(topic.contenders))
  const libraries = versions(contenders.flatMap((contender) => contender.libraries ?? []))
  const day = new Date().toISOString().slice(0, 10)
  const report = [`## Speed\n\n${ABOUT}`, `${day}: ${machine()}\\\n${libraries}, redis-server ${redis ?? 'missing'}`]
  const tell = (text) => {
    report.push(text.trimEnd())
    console.log(`\n${report.at(-1)}`)
  }
  console.log(`\n${report.join('\n\n')}`)
  if (redis === null)
    tell('Left out, for want of redis-server (Debian: apt-get install redis-server): what goes through Redis.')

  const server = await startServer()
  for (const name of names) tell(await sections[name]({ server, hasRedis: redis !== null, isQuick: values.quick }))
  await server.stop()
  if (values.write) fs.writeFileSync(RESULTS, `${report.join('\n\n')}\n`)
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
