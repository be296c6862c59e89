/*
 * Keeps the portal usable without a network: the page, its scripts, fonts and base map are kept; answers of the server are not,
 * except the few lists that the report form needs. Written by hand; the list of files is put in by the build.
 */
const VERSION = '__VERSION__'
const SHELL = __FILES__
const MAP = __MAP__
const LISTS = ['/api/cases/types', '/api/access/me', '/api/access/areas.geojson']
const KEPT = `dothi-${VERSION}`
const LISTS_KEPT = 'dothi-lists'

self.addEventListener('install', event => {
  event.waitUntil(caches.open(KEPT).then(cache => cache.addAll(SHELL)).then(more).then(() => self.skipWaiting()))
})

/** The map and the lists of the report form, unless the person saves data. The portal works without them, so a failure here is no failure. */
async function more() {
  if (navigator.connection?.saveData) return
  try {
    await (await caches.open(KEPT)).addAll(MAP)
    const me = await (await fresh(new Request('/api/access/me'), '/api/access/me')).json()
    for (const list of ['/api/cases/types', `/api/access/areas.geojson?parent=${encodeURIComponent(me.home.code)}`]) await fresh(new Request(list), list)
  } catch {
    // Next time.
  }
}

self.addEventListener('activate', event => {
  event.waitUntil(
    caches.keys().then(names => Promise.all(names.filter(name => name.startsWith('dothi-') && name !== KEPT && name !== LISTS_KEPT).map(name => caches.delete(name)))).then(() => self.clients.claim()),
  )
})

/** The network first, for what changes; the copy when there is no network. Who is signed in is never kept. */
async function fresh(request, path) {
  try {
    const answer = await fetch(request)
    if (answer.ok) {
      const cache = await caches.open(LISTS_KEPT)
      if (path !== '/api/access/me') await cache.put(request, answer.clone())
      else {
        const { home } = await answer.clone().json()
        await cache.put(request, new Response(JSON.stringify({ kind: 'anonymous', name: '', permissions: [], grants: [], home }), { headers: { 'Content-Type': 'application/json' } }))
      }
    }
    return answer
  } catch (cause) {
    const copy = await caches.match(request)
    if (copy) return copy
    throw cause
  }
}

/** Kept first: names of built files carry a hash of their content. */
async function kept(request) {
  const copy = await caches.match(request)
  if (copy) return copy
  const answer = await fetch(request)
  if (answer.ok) (await caches.open(KEPT)).put(request, answer.clone())
  return answer
}

async function page(request) {
  try {
    return await fetch(request)
  } catch {
    return (await caches.match('/')) ?? Response.error()
  }
}

self.addEventListener('fetch', event => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== location.origin) return
  if (LISTS.includes(url.pathname)) event.respondWith(fresh(request, url.pathname))
  else if (url.pathname.startsWith('/assets/') || url.pathname.startsWith('/basemap/') || url.pathname.startsWith('/icons/')) event.respondWith(kept(request))
  else if (request.mode === 'navigate' && !url.pathname.startsWith('/api/')) event.respondWith(page(request))
})

/** Word from the platform: a code and a state, nothing personal. A newer one about the same case takes the older one's place. */
self.addEventListener('push', event => {
  let said = {}
  try {
    said = event.data?.json() ?? {}
  } catch {
    // Something must be shown for every message; the page says the rest.
  }
  const { title, body, tag, url } = said
  event.waitUntil(self.registration.showNotification(title || 'Dothi', { body: body || '', tag: tag || undefined, icon: '/icons/dothi-192.png', badge: '/icons/dothi-192.png', data: { url: url || '/' } }))
})

self.addEventListener('notificationclick', event => {
  event.notification.close()
  const to = new URL(event.notification.data?.url ?? '/', location.origin)
  if (to.origin !== location.origin) return
  event.waitUntil(
    self.clients.matchAll({ type: 'window', includeUncontrolled: true }).then(all => {
      const open = all.find(page => page.url === to.href)
      return open ? open.focus() : self.clients.openWindow(to.href)
    }),
  )
})
