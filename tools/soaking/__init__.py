"""What tools/soak tries, a module for each section of docs/reliability.md.

To add a section: a module here with a function that takes a `Soak` and yields `Row`s (soak.py), a line
for it in SECTIONS (report.py), and in docs/reliability.md a heading, what the section does in prose, and the
two lines `<!-- soak: NAME -->` and `<!-- end -->`, between which --refresh writes the table.

What finds and tries the points belongs beside the tests, in Tests/EndToEnd, because tools/test runs a
bounded form of the same code; a parameter says how many points. The modules here import it from there.
"""
