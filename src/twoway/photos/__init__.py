"""From a photo to an edited photo: opening, alignment, editing, pasting back."""
