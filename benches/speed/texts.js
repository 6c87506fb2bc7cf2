'use strict'

// Texts of several kinds, the same in every run of one version: prose and code are this repository's own, the others are drawn.

const fs = require('node:fs')
const path = require('node:path')
const { root } = require('../../scripts/setup.js')
const { generator } = require('../random.js')

/** Chinese, Japanese and Korean words, of which sentences are made. */
const CJK_WORDS = [
  '我们 客服 会 在 一个 工作日 内 联系 您 请问 桌子 椅子 什么 时候 能 送到 订单 已经 从 仓库 发出 发票 将 寄到 办公室 木头 颜色 退货',
  'ご注文 の テーブル は 本日 出荷 されました 椅子 脚 が 届いて いない よう です 返品 を ご希望 場合 お知らせ ください 配送 番号',
  '주문하신 의자는 내일 도착할 예정입니다 배송 조회 번호를 알려 주시겠어요 환불은 영업일 기준 사흘이 걸립니다 식탁 상판만 왔습니다',
].map((words) => words.split(' '))
const EMOJI = '😀 😂 🥰 🤔 👍🏽 🙏 🎉 🔥 🚀 🌍 🐶 🍕 📦 🪑 ❤️ 🇩🇪 👩‍👩‍👧‍👦 🧑🏿‍💻'.split(' ')
const WORDS = ['table', 'chair', 'oak', 'delivered', 'in transit', 'Lisbon', 'Porto', 'invoice', 'blue', 'returned']

/** Each makes the pieces of a text, one at a time. */
const KINDS = {
  prose: () => drawing(paragraphs(read(path.join(root, 'README.md')))),
  code: () => drawing(sources(path.join(root, 'src')).flatMap((file) => read(file).split(/(?<=\n\n)/))),
  JSON: () => record,
  CJK: () => sentence,
  // One long row of them would be a hostile text.
  emoji: () => (random) => `${one(random, WORDS)} ${one(random, EMOJI)}${one(random, EMOJI)} `,
}

const made = new Map()

/**
 * A text of so many characters, one more or less where the last would be half of a pair.
 *
 * @param {string} kind
 * @param {number} characters in UTF-16, as `length` counts them
 * @param {{ from: number, of: number }} [place] where it begins in a longer text of `of` characters, so that texts differ
 */
function text(kind, characters, { from, of } = { from: 0, of: characters + 1 }) {
  const key = `${kind} ${of}`
  if (!made.has(key)) made.set(key, drawn(KINDS[kind](), of))
  const all = made.get(key)
  const start = from % (of - characters)
  const end = start + characters
  return all.slice(start + isLowHalf(all, start), end + isLowHalf(all, end))
}

function isLowHalf(all, index) {
  return Number((all.charCodeAt(index) & 0xfc00) === 0xdc00)
}

/** What `make` makes by chance, until it is as long. */
function drawn(make, characters) {
  const random = generator(1)
  const parts = []
  for (let length = 0; length <= characters; length += parts.at(-1).length) parts.push(make(random))
  return parts.join('')
}

function drawing(pieces) {
  return (random) => one(random, pieces)
}

function one(random, choices) {
  return choices[Math.floor(random() * choices.length)]
}

/** From 4 to 12 words of one language. */
function sentence(random) {
  const language = one(random, CJK_WORDS)
  const words = Array.from({ length: 4 + Math.floor(random() * 9) }, () => one(random, language))
  return `${words.join('')}。`
}

function record(random) {
  const word = () => one(random, WORDS)
  const id = Math.floor(random() * 1e9).toString(16)
  const price = Math.round(random() * 1e5) / 100
  return `${JSON.stringify({ id, title: `${word()} ${word()}`, price, inStock: random() < 0.5, tags: [word(), word()] })},\n`
}

/** Those of a Markdown text that are no table, code or heading. */
function paragraphs(markdown) {
  const isProse = (line) => line.length > 80 && !/^[|`<# ]/.test(line)
  return markdown
    .split('\n')
    .filter(isProse)
    .map((line) => `${line}\n\n`)
}

function sources(folder) {
  const files = fs.readdirSync(folder, { recursive: true }).map(String).sort()
  return files.filter((file) => file.endsWith('.rs')).map((file) => path.join(folder, file))
}

/** Without what is not ASCII: V8 holds a text with any wider character in twice the bytes, which most texts do not need. */
function read(file) {
  return fs.readFileSync(file, 'utf8').replace(/[^ -~\n]/g, '')
}

const MEGABYTE = 1_000_000

/** Each makes a megabyte that is slow to count: one word for the splitting rules, or no word at all. */
const HOSTILE = {
  'one letter': () => 'a'.repeat(MEGABYTE),
  spaces: () => ' '.repeat(MEGABYTE),
  newlines: () => '\n'.repeat(MEGABYTE),
  'one sign': () => '='.repeat(MEGABYTE),
  'random letters': () => randomBytes((random) => 97 + random() * 26).toString('latin1'),
  'random base64': () =>
    randomBytes((random) => random() * 256)
      .toString('base64')
      .slice(0, MEGABYTE),
  'one emoji': () => '😀'.repeat(MEGABYTE / 4),
}

/** A megabyte of what `byte` makes. */
function randomBytes(byte) {
  const random = generator(1)
  return Buffer.alloc(MEGABYTE).map(() => byte(random))
}

module.exports = { text, HOSTILE }
