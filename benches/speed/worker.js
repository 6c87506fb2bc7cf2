'use strict'

// The process of one contender of a table: takes one load at a time from its parent, and answers with what it read.

const { answer } = require('../processes.js')
const { load } = require('./load.js')
const topics = require('./topics.js')

const [name, contender, server] = process.argv.slice(2)
const topic = topics[name]
const send = topic.contenders[contender].make(JSON.parse(server))

answer((settings) => load(topic, send, settings))
