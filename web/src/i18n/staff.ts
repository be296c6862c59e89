/** Addresses of the texts beyond the portal's first pages. */
export const files = import.meta.glob<string>(['./{vi,en}/*.json', '!./{vi,en}/{common,citizen}.json'], { query: '?url', import: 'default', eager: true })
