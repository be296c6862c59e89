/**
 * Icons that packs may name, drawn from one file (`public/icons/pack.svg`, made by `scripts/icons.mjs`) so that they weigh no script.
 * Other names that packs use are led to one of these; an unknown name is a pin: a pack never breaks a screen.
 */
const DRAWN = 'pin air smoke fire waste recycle water drain road traffic light power noise tree animal order building school health farm bus telecom service megaphone weather rain camera market food parking park sign dust temperature gauge sensor car map money other build paw leaf bell users chart'.split(' ')
const ALSO: Record<string, string> = {
  wind: 'air', factory: 'smoke', burning: 'fire', flame: 'fire', trash: 'waste', 'trash-2': 'waste', garbage: 'waste', sanitation: 'waste', droplets: 'water', 'water-supply': 'water', flood: 'drain', waves: 'drain', sewer: 'drain',
  river: 'drain', drainage: 'drain', pothole: 'road', construction: 'road', pavement: 'road', 'traffic-cone': 'traffic', lightbulb: 'light', lamp: 'light', lighting: 'light', 'street-light': 'light', electricity: 'power', zap: 'power', cable: 'power',
  volume: 'noise', 'volume-2': 'noise', trees: 'park', 'tree-pine': 'tree', dog: 'animal', 'paw-print': 'paw', 'tree-deciduous': 'leaf', 'hard-hat': 'build', wallet: 'money', 'message-circle': 'other', bird: 'animal', security: 'order', 'shield-alert': 'order', shield: 'order', 'building-2': 'building', urban: 'building', house: 'building', education: 'school',
  'heart-pulse': 'health', sprout: 'farm', agriculture: 'farm', transport: 'bus', wifi: 'telecom', landmark: 'service', office: 'service', store: 'market', utensils: 'food', cctv: 'camera', thermometer: 'temperature', 'radio-tower': 'sensor', 'cloud-fog': 'dust',
}

export function PackIcon({ name, size = 22 }: { name?: string | undefined; size?: number }) {
  const wanted = name ?? ''
  const drawn = DRAWN.includes(wanted) ? wanted : (ALSO[wanted] ?? 'pin')
  return (
    <svg width={size} height={size} strokeWidth={1.9} aria-hidden>
      <use href={`/icons/pack.svg#${drawn}`} />
    </svg>
  )
}
