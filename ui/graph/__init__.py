"""The computation graph on the page: `layout` places the nodes, `picture` says what is written where after each step,
`component` draws it in the browser and reports clicks and steps."""
