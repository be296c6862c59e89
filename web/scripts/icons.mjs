/** Draws the icons that packs may name into one file, `public/icons/pack.svg`: pictures, not script. Icons: Lucide (ISC). Run when the list changes. */
import { writeFileSync } from 'node:fs'
import { createElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import * as lucide from 'lucide-react'

const ICONS = {
  pin: 'MapPin', air: 'Wind', smoke: 'Factory', fire: 'Flame', waste: 'Trash2', recycle: 'Recycle', water: 'Droplets', drain: 'Waves', road: 'Construction', traffic: 'TrafficCone', light: 'Lightbulb', power: 'Zap',
  noise: 'Volume2', tree: 'TreePine', animal: 'Dog', order: 'ShieldAlert', building: 'Building2', school: 'School', health: 'HeartPulse', farm: 'Sprout', bus: 'Bus', telecom: 'Wifi', service: 'Landmark', megaphone: 'Megaphone',
  weather: 'CloudSun', rain: 'CloudRain', camera: 'Cctv', market: 'Store', food: 'Utensils', parking: 'CircleParking', park: 'Trees', sign: 'Signpost', dust: 'CloudFog', temperature: 'Thermometer', gauge: 'Gauge', sensor: 'RadioTower',
  car: 'Car', map: 'Map', money: 'Wallet', other: 'MessageCircle', build: 'HardHat', paw: 'PawPrint', leaf: 'TreeDeciduous', bell: 'Bell', users: 'Users', chart: 'ChartColumn',
}
const symbols = Object.entries(ICONS).map(([name, icon]) => {
  const markup = renderToStaticMarkup(createElement(lucide[icon]))
  return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round">${markup.replace(/^<svg[^>]*>|<\/svg>$/g, '')}</symbol>`
})
writeFileSync(new URL('../public/icons/pack.svg', import.meta.url), `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>\n`)
console.log(symbols.length, 'icons')
