"""The home page: what this is, the lessons, and the digits they work on."""

from ui.page import APP, page

page(APP, icon=":material/home:", lead="See a gradient being computed, compute one, and train networks on real digits.")
