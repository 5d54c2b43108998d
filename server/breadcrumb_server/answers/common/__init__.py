"""Share what every answer needs: its model, its size, cursors, next calls and short texts."""
