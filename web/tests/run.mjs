/** Starts one demo city for all browser walks (a debug build takes a minute to fill it) and runs them against it. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startCity } from './city.mjs'

const WEB = fileURLToPath(new URL('..', import.meta.url))
/** All walks, or those whose names hold one of the words given. */
const only = process.argv.slice(2)
const walks = ['tests', 'e2e'].flatMap(folder => readdirSync(join(WEB, folder)).filter(name => /\.(spec|test)\.mjs$/.test(name)).map(name => join(folder, name))).filter(walk => only.length === 0 || only.some(word => walk.includes(word)))
const city = await startCity()
const child = spawn(process.execPath, ['--test', '--test-concurrency=1', ...walks], {
  cwd: WEB,
  stdio: 'inherit',
  env: { ...process.env, DOTHI_URL: city.base, DOTHI_PASSWORD: city.password, DOTHI_DC09_PORT: String(city.dc09) },
})
const code = await new Promise(done => child.once('exit', done))
await city.close()
process.exit(code ?? 1)
