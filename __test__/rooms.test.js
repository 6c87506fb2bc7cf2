'use strict'

// The layers of src/lib.rs: a room uses only rooms of a smaller number, and each library has its one room.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')

const SRC = path.join(__dirname, '..', 'src')

/** Rooms and their layers, as the table in src/lib.rs gives them. */
function layers() {
  const map = fs.readFileSync(path.join(SRC, 'lib.rs'), 'utf8')
  const layers = new Map()
  for (const [, layer, rooms] of map.matchAll(/^\/\/! \| (\d) \| ([^|]+)\|/gm)) {
    for (const [, room] of rooms.matchAll(/`(\w+)`/g)) layers.set(room, Number(layer))
  }
  return layers
}

/** Every Rust file with its room and its text, the tests in it left out. */
function files() {
  return fs
    .readdirSync(SRC, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.rs') && file !== 'lib.rs')
    .map((file) => ({
      file,
      room: file.split(path.sep)[0].replace(/\.rs$/, ''),
      isTest: /tests?(\.rs|[\\/])/.test(file),
      code: fs.readFileSync(path.join(SRC, file), 'utf8').split(/^\s*#\[cfg\(test\)\]\s*mod tests \{/m)[0],
    }))
    .filter(({ isTest }) => !isTest)
}

/** The rooms that a text names: `crate::room` and the heads of `use crate::{room, room::…}`. */
function usedRooms(code) {
  const used = new Set()
  const plain = code.replace(/\/\/.*$/gm, '')
  for (const [, room] of plain.matchAll(/\bcrate::(\w+)/g)) used.add(room)
  for (const [, list] of plain.matchAll(/\buse crate::\{([\s\S]*?)\};/g)) {
    let depth = 0
    for (const [token] of list.matchAll(/[{}]|\w+(?=\s*(?:::|,|$|\}))/g)) {
      if (token === '{') depth++
      else if (token === '}') depth--
      else if (depth === 0) used.add(token)
    }
  }
  return used
}

test('the map names every room', () => {
  const rooms = new Set(files().map(({ room }) => room))
  assert.deepEqual([...layers().keys()].sort(), [...rooms].sort())
})

test('a room uses only rooms of a smaller number', () => {
  const layer = layers()
  for (const { file, room, code } of files()) {
    for (const used of usedRooms(code)) {
      if (used === room || !layer.has(used)) continue
      assert.ok(
        layer.get(used) < layer.get(room),
        `${file} (layer ${layer.get(room)}) uses ${used} (layer ${layer.get(used)})`,
      )
    }
  }
})

for (const [library, room] of [
  ['napi', 'binding'],
  ['reqwest', 'client'],
  ['h2', 'client'],
]) {
  test(`only ${room} knows ${library}`, () => {
    const users = files().filter(({ code }) => new RegExp(`\\b${library}::`).test(code))
    assert.deepEqual([...new Set(users.map((user) => user.room))], [room])
  })
}

test('only the build script and tests know tiktoken_rs', () => {
  // Its vocabularies become tables of ours; what it would do when it is used, and how long that takes, must not matter.
  const users = files().filter(({ code }) => /\btiktoken_rs::/.test(code))
  assert.deepEqual(users, [])
  const build = path.join(__dirname, '..', 'build')
  const builders = fs
    .readdirSync(build)
    .filter((file) => /\btiktoken_rs::/.test(fs.readFileSync(path.join(build, file), 'utf8')))
  assert.deepEqual(builders.sort(), ['main.rs', 'vocabulary.rs'])
})

test('only redis knows the library of that name', () => {
  // The crate's name, which no path of ours ends in.
  const users = files().filter(({ code }) => {
    const plain = code.replace(/\/\/.*$/gm, '').replace(/\buse (?:crate|super)::\{[\s\S]*?\};/g, '')
    return /(?<!::)\bredis::/.test(plain)
  })
  assert.deepEqual([...new Set(users.map((user) => user.room))], ['redis'])
})

test('no file has more than 400 lines, its tests left out', () => {
  for (const { file, code } of files()) {
    // Tables are read by looking up, not from top to bottom.
    if (file.includes('table')) continue
    assert.ok(code.split('\n').length <= 400, `${file}: ${code.split('\n').length}`)
  }
})
