"""Everything that draws with Streamlit and is needed by more than one page. Nothing in here computes a lesson.

A page reads like its lesson: `page` sets the frame, `links` restores the inputs from the address, `fields` reads what
is typed, one call into `mlcore` computes, `charts` and `images` draw, `code` shows the function that ran, `terms`
explains the words.
"""
