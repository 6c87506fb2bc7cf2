// @ts-check
'use strict'

const { countChatTokens, countTokens, countTokensSync } = require('./js/counting.js')
const { configure, createChat, createEmbeddings, determineOpenAIKey, processRedis } = require('./js/drop-in.js')
const { RequestManagerError } = require('./js/errors.js')
const { RequestManager } = require('./js/manager.js')

module.exports = {
  configure,
  countChatTokens,
  countTokens,
  countTokensSync,
  createChat,
  createEmbeddings,
  determineOpenAIKey,
  processRedis,
  RequestManager,
  RequestManagerError,
}
