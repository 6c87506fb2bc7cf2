'use strict'

/** The tables in which contenders are put through the same loads, by their names in `--only`. */
module.exports = {
  calls: require('./calls.js'),
  tls: require('./tls-calls.js'),
  streams: require('./streams.js'),
  bodies: require('./bodies.js'),
  embeddings: require('./embeddings.js'),
  tokens: require('./counting.js'),
}
