/** Texts. Vietnamese is the first language; a namespace is a file `<language>/<namespace>.json` and is loaded with the face that needs it. */
import i18next, { type TOptions } from 'i18next'
import { useSyncExternalStore } from 'react'
import { readOwnFile } from '@/api/file'
import { keepText, keptText } from '@/api/kept'

export type Language = 'vi' | 'en'
export const LANGUAGES: readonly Language[] = ['vi', 'en']

type Tree = { [key: string]: string | Tree }
// As addresses: texts are fetched as data and weigh no script. Those of the staff faces are named in a script that the portal does not load.
const files = import.meta.glob<string>('./{vi,en}/{common,citizen}.json', { query: '?url', import: 'default', eager: true })
const wanted = new Set<string>()
const KEPT = 'dothi.language'

export function language(): Language {
  return i18next.language === 'en' ? 'en' : 'vi'
}

async function bring(lng: Language, namespaces: Iterable<string>): Promise<void> {
  await Promise.all(
    [...namespaces].map(async ns => {
      if (i18next.hasResourceBundle(lng, ns)) return
      const name = `./${lng}/${ns}.json`
      const file = files[name] ?? (await import('./staff')).files[name]
      if (file) i18next.addResourceBundle(lng, ns, await readOwnFile<Tree>(file))
    }),
  )
}

/** Makes the namespaces ready in the language of the moment. */
export async function loadTexts(...namespaces: string[]): Promise<void> {
  for (const ns of namespaces) wanted.add(ns)
  await bring(language(), namespaces)
}

export async function setLanguage(lng: Language): Promise<void> {
  await bring(lng, wanted)
  await i18next.changeLanguage(lng)
  document.documentElement.lang = lng
  // The choice lasts as long as the page where storage is refused.
  keepText(KEPT, lng)
}

export async function startTexts(...namespaces: string[]): Promise<void> {
  const lng: Language = (new URLSearchParams(location.search).get('lang') ?? keptText(KEPT)) === 'en' ? 'en' : 'vi'
  await i18next.init({ lng, fallbackLng: false, defaultNS: 'common', fallbackNS: 'staff', ns: [], resources: {}, interpolation: { escapeValue: false }, returnNull: false })
  document.documentElement.lang = lng
  await loadTexts('common', ...namespaces)
}

export type Translate = (key: string, options?: TOptions) => string

/** Text outside components (formatting, errors). */
export const text: Translate = (key, options) => i18next.t(key, options ?? {}) as string

export function hasText(key: string): boolean {
  return i18next.exists(key)
}

function watch(change: () => void): () => void {
  i18next.on('languageChanged', change)
  return () => i18next.off('languageChanged', change)
}

export function useLanguage(): Language {
  return useSyncExternalStore(watch, language)
}

/** `const t = useT()`; keys are `namespace:path.to.key`, the namespace `common` may be left out. */
export function useT(): Translate {
  useLanguage()
  return text
}

/** Picks the name in the language of the moment from data that carries both. */
export function named(lng: Language, vi: string | undefined, en: string | undefined): string {
  return (lng === 'en' ? en || vi : vi || en) ?? ''
}
