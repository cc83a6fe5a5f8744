"""Whether documents come out of the venue's image as they do here: a page in both fonts, drawn, as a digest."""

CODE = """
import hashlib
import typst
from venue.documents import rendering

page = '#set page(width: 9cm, height: 5cm)\\n'
page += '#text(font: "Noto Serif SC", size: 20pt)[离里通 封条] #text(font: "Noto Sans SC", size: 20pt)[场所码 Lilitong]'
drawn = typst.compile(page.encode(), font_paths=rendering._FONTS, ignore_system_fonts=True, format="png", ppi=100)
print(hashlib.sha256(drawn[0] if isinstance(drawn, list) else drawn).hexdigest())
"""
