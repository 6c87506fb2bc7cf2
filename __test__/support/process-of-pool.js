'use strict'

// A program with one manager, for processes.js: it makes the manager of the configuration that it is sent first, then does what it is
// asked for.

const { RequestManager } = require('../..')

let manager

/** So many chats, some at the same time; resolves to how many were served with how many tokens, and to the errors of the others. */
async function chats({ params, options, count, atOnce }) {
  const errors = []
  let left = count
  let tokens = 0
  const oneAfterTheOther = async () => {
    while (left-- > 0) {
      await manager.chat(params, options).then(
        ({ usage }) => {
          tokens += usage.total_tokens
        },
        ({ code, message }) => errors.push({ code, message }),
      )
    }
  }
  await Promise.all(Array.from({ length: atOnce }, oneAfterTheOther))
  return { served: count - errors.length, tokens, errors }
}

const TASKS = {
  open(config) {
    manager = new RequestManager(config)
  },
  chats,
  status: (query) => manager.status(query),
  close: () => manager.close(),
}

process.on('message', async ({ number, task, argument }) => {
  process.send({ number, answer: await TASKS[task](argument) })
})
