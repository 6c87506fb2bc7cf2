'use strict'

// `npm run bench`: what a chat costs through us, against bare undici. A benchmark is no test: a bar that was not reached is printed.
// `--no-build` measures the addon that is there, which must be a release build to tell anything.

const { parseArgs } = require('node:util')
const { setUp } = require('./setup.js')

const { values } = parseArgs({ options: { 'no-build': { type: 'boolean' } } })

async function main() {
  if (!values['no-build']) setUp('release')
  // Behind the build, which also installs what these load.
  const { MEMORY_AFTER_CHATS, measureChats, measureMemory, measureRequire } = require('../benches/measure.js')
  const { startServer } = require('../benches/processes.js')
  const { chatTable, machine, memoryTable, requireTable } = require('../benches/tables.js')

  console.log(
    `\nAbout two minutes; medians of interleaved rounds, each contender in a process of its own.\n\n${machine()}\n`,
  )
  console.log(requireTable(await measureRequire()))
  const server = await startServer()
  console.log(chatTable(await measureChats(server.baseURL)))
  console.log(memoryTable(await measureMemory(server.baseURL), MEMORY_AFTER_CHATS))
  await server.stop()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
