/** Going somewhere without knowing the router: faces register how they move, `<a href>` and `go()` work everywhere. */
type Mover = (href: string, replace: boolean) => boolean

let mover: Mover = () => false

/** Registers the face's router. It answers false for addresses of another face, which are then loaded as a page. */
export function moveBy(next: Mover): void {
  mover = next
}

export function go(href: string, replace = false): void {
  if (mover(href, replace)) return
  if (replace) location.replace(href)
  else location.assign(href)
}

/** Turns clicks on plain links of this site into moves of the router. */
export function catchLinks(): void {
  document.addEventListener('click', event => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = (event.target as Element | null)?.closest?.('a')
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    const href = link.getAttribute('href') ?? ''
    if (href.startsWith('#')) return
    if (mover(link.pathname + link.search + link.hash, false)) event.preventDefault()
  })
}
