import { defineConfig, type Plugin } from 'vite'

/**
 * Puts the script and the styles into the page, so that it is one file that also
 * works from a disk. The server allows both by their hashes.
 */
function inline(): Plugin {
  return {
    name: 'partyline-inline',
    enforce: 'post',
    generateBundle(_, bundle) {
      const page = bundle['websocket-diagnostics.html']
      if (page?.type !== 'asset') throw new Error('the page was not built')
      let html = String(page.source)
      for (const [name, part] of Object.entries(bundle)) {
        if (part === page) continue
        const script = part.type === 'chunk'
        const text = (script ? part.code : String(part.source)).trim()
        const tag = new RegExp(script ? `<script[^>]*src="[^"]*${name}"[^>]*></script>` : `<link[^>]*href="[^"]*${name}"[^>]*>`)
        const body = script ? `<script type="module">${text.replaceAll('</script', '<\\/script')}</script>` : `<style>${text}</style>`
        html = html.replace(tag, () => body)
        Reflect.deleteProperty(bundle, name)
      }
      if (/\ssrc="|rel="stylesheet"/.test(html)) throw new Error('the page still needs other files')
      page.source = html
    },
  }
}

export default defineConfig({
  plugins: [inline()],
  build: {
    target: 'es2023', outDir: 'dist', emptyOutDir: false, modulePreload: false, copyPublicDir: false, assetsInlineLimit: 0,
    rolldownOptions: { input: 'websocket-diagnostics.html' },
  },
})
