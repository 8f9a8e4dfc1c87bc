// POY x POX x POF multiply-accumulate cells. A pixel is shared by the POF cells of its place, a weight by all
// POY x POX cells of its channel. Finished sums leave row by row, the first row at once.
module pe_array #(
    parameter int POX = 4,  // output columns computed at once
    parameter int POY = 4,  // output rows computed at once
    parameter int POF = 4,  // output channels computed at once
    parameter int DW = 8,   // bits of a pixel
    parameter int WW = 8,   // bits of a weight
    parameter int AW = 32   // bits of a sum
) (
    input  logic                  clk,      // clock
    input  logic                  en,       // add this cycle
    input  logic                  first,    // first product of a pass
    input  logic                  capture,  // the pass ended one cycle ago: take the sums out
    input  logic                  shift,    // move the next row to the front
    input  logic [POY*POX*DW-1:0] pixels,   // pixel of row i, column j at [(i*POX+j)*DW +: DW]
    input  logic [    POF*WW-1:0] weights,  // weight of channel f at [f*WW +: WW]
    output logic [POX*POF*AW-1:0] row       // sums of the leaving row: column j, channel f at [(j*POF+f)*AW +: AW]
);
  localparam int ROW = POX * POF;
  logic [AW-1:0] leaving[(POY+1)*ROW];  // of cell (i, j, f) at (i*POX+j)*POF+f

  for (genvar i = 0; i < POY; i++) begin : g_row
    for (genvar j = 0; j < POX; j++) begin : g_column
      for (genvar f = 0; f < POF; f++) begin : g_channel
        mac #(.DW(DW), .WW(WW), .AW(AW)) cell_i (
            .clk, .en, .first, .capture, .shift,
            .pixel  (pixels[(i*POX+j)*DW+:DW]),
            .weight (weights[f*WW+:WW]),
            .below  (leaving[((i+1)*POX+j)*POF+f]),
            .leaving(leaving[(i*POX+j)*POF+f])
        );
      end
    end
  end

  for (genvar n = 0; n < ROW; n++) begin : g_out
    assign leaving[POY*ROW+n] = '0;
    assign row[n*AW+:AW] = leaving[n];
  end
endmodule
